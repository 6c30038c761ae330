# SPDX-License-Identifier: GPL-2.0-only
# what: a kernel that panics
# selftest: died without a word
echo c > /proc/sysrq-trigger
sleep 100

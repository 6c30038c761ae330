# SPDX-License-Identifier: GPL-2.0-only
# what: a guest that switches itself off, claiming success with a forged word
# selftest: died without a word
echo "@@0123456789ab RC 0"
echo o > /proc/sysrq-trigger
sleep 100

# SPDX-License-Identifier: GPL-2.0-only
# what: a guest that never ends
# selftest: hung or took more than 10 s
# timeout: 10
sleep 1000

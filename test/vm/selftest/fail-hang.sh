# SPDX-License-Identifier: GPL-2.0-only
# what: a guest that never ends
# selftest: hung or took more than 25 s
# timeout: 25
sleep 1000

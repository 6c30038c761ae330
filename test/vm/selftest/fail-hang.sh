# SPDX-License-Identifier: GPL-2.0-only
# what: a guest that never ends
# selftest: hung or took more than 12 s
# timeout: 12
sleep 1000

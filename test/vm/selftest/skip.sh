# SPDX-License-Identifier: GPL-2.0-only
# what: a test may decline
# selftest: SKIP .*: not today
skip "not today"

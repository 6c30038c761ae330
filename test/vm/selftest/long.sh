# SPDX-License-Identifier: GPL-2.0-only
# what: a long test is left out
# long: not run unless asked for
# selftest: nothing
fail "it ran"

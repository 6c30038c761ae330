# SPDX-License-Identifier: GPL-2.0-only
# what: a command that should fail succeeds, and its messages are dropped
# selftest: FAILED: must fail, but succeeded: true
refute true 2> /dev/null

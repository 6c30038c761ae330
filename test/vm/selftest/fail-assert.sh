# SPDX-License-Identifier: GPL-2.0-only
# what: an assertion that does not hold
# selftest: FAILED: answer: expected '42', got '41'
assert_eq 41 42 answer

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# How a test in a guest says what it found, and fails. Sourced in the guest by the lib.sh of VM
# tests and by that of boot tests.

# Where the reason of a failure goes, also from a command whose own messages are dropped, as in
# `refute CMD 2> /dev/null`.
exec 6>&2

note() { echo "  $*"; }
fail() { echo "FAILED: $*" >&6; exit 1; }
skip() { echo "skip: $*"; exit 77; }

# assert_eq GOT WANTED WHAT
assert_eq() { [ "$1" = "$2" ] || fail "$3: expected '$2', got '$1'"; }
assert_ne() { [ "$1" != "$2" ] || fail "$3: expected anything but '$2'"; }

# assert_num GOT OP WANTED WHAT, OP as in test: -eq -ne -lt -le -gt -ge
assert_num() { test "$1" "$2" "$3" || fail "$4: expected $2 $3, got $1"; }

# assert_match TEXT REGEX WHAT: some line of it is like that; refute_match: none is
assert_match() {
	printf '%s\n' "$1" | grep -Eq -- "$2" || fail "$3: expected something like /$2/, got '$1'"
}
refute_match() {
	! printf '%s\n' "$1" | grep -Eq -- "$2" || fail "$3: expected nothing like /$2/, got '$1'"
}

# assert CMD...: must succeed; refute CMD...: must fail
assert() { "$@" || fail "must succeed, but gave status $?: $*"; }
refute() { if "$@"; then fail "must fail, but succeeded: $*"; fi; }

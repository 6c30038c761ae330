# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # used where it is sourced
#
# How every runner tells what it found. One line a test:
#
#   PASS NAME[ (SECONDS)]     FAIL NAME[: WHY]     SKIP NAME[: WHY]
#
# and a last line, `N passed, N failed, N skipped`. Exit status: 0 if something passed and nothing
# failed, 77 if all was skipped, 1 otherwise.

passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)); echo "PASS $*"; }
skip() { skipped=$((skipped + 1)); echo "SKIP $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }

# add_sum LINE: what another runner's last line says
add_sum() {
	local p f s
	read -r p _ f _ s _ <<< "$1"
	case $p$f$s in
	*[!0-9]* | '') fail "no sum of passed and failed tests: '$1'" ;;
	*) passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)) ;;
	esac
}

# sum: the last line, and the exit status
sum() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ] || return 1
	[ $passed = 0 ] || return 0
	[ $skipped = 0 ] || return 77
	return 1
}

# left DONE TOTAL: for progress, what `started` ($SECONDS) and what was done tell of the rest
left() {
	local s
	[ "$1" -lt "$2" ] || return 0
	s=$(((SECONDS - started) * ($2 - $1) / $1))
	echo " [$1/$2, about $((s / 60))m$((s % 60))s left]"
}

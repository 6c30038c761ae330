# SPDX-License-Identifier: GPL-2.0-only
#
# Runs in the guest after each test, when its devices are removed and our modules are gone. Memory
# that was allocated since the test began, and that nothing refers to now, is a leak. $rc: the
# test's status.

test_rc=$rc
debug_fail() {
	echo "epilogue: $*"
	[ "$rc" != 0 ] && [ "$rc" != 77 ] || rc=1
}

# A detector that gave up is silent too.
case $debug_kind in
debug) grep -q 'debug_locks: *1$' /proc/lockdep_stats || debug_fail "lockdep turned itself off" ;;
kcsan) awk \
	'/^enabled: 1/ { on = 1 } /^setup_watchpoints: [1-9]/ { seen = 1 } END { exit !(on && seen) }' /sys/kernel/debug/kcsan ||
	debug_fail "KCSAN is off" ;;
esac

if [ "$test_rc" = 0 ] && [ "$debug_kind" = debug ]; then
	# An object younger than five seconds is not reported, and none at the first scan that sees
	# it.
	sleep 6
	if echo scan > /sys/kernel/debug/kmemleak && echo scan > /sys/kernel/debug/kmemleak; then
		# shellcheck disable=SC2154 # head.sh sets it
		awk -v since=$(($(cut -d. -f1 /proc/uptime) - debug_started)) '
			/^unreferenced object/ { first = $0; next }
			/^  comm / {
				show = match($0, /age [0-9.]+/) &&
					substr($0, RSTART + 4, RLENGTH - 4) + 0 < since
				if (show) print first
			}
			show' /sys/kernel/debug/kmemleak > /tmp/leaks
		[ ! -s /tmp/leaks ] || {
			debug_fail "LEAK: kmemleak found $(grep -c '^unreferenced' /tmp/leaks) objects:"
			head -n 200 /tmp/leaks
		}
	else
		debug_fail "kmemleak turned itself off"
	fi
fi

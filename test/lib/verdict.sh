# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # used where it is sourced
#
# What a guest's kernel log and a test's output say about its verdict. Sourced by host.sh.

# header FILE KEY: value of a "# KEY: value" line of a test's head
header() {
	awk -v key="# $2:" '
		/^[^#]/ { exit }
		index($0, key) == 1 {
			if (on) print value
			on = 1
			value = substr($0, length(key) + 1)
			sub(/^ */, "", value)
			next
		}
		on && /^#    / { sub(/^# */, ""); value = value " " $0; next }
		on { print value; on = 0 }
		END { if (on) print value }' "$1"
}

# Lines of a kernel log that no test may cause.
COMPLAINTS='BUG[: ]|WARNING:|Oops|Call Trace|general protection|KASAN|UBSAN|KCSAN|lockdep|possible (circular|recursive) locking'
COMPLAINTS+='|inconsistent lock state|INFO: task .* blocked|hung_task|rcu.*(stall|starved)|soft lockup|hard LOCKUP'
COMPLAINTS+='|refcount_t|scheduling while atomic|sleeping function called|list_(add|del) corruption|Objects remaining'
COMPLAINTS+='|Slab cache still has objects|beyond end of device|unable to handle|Kernel panic|page allocation failure|bad page'

# Of these, what a host that is too busy may cause.
LATE='soft lockup|hard LOCKUP|INFO: task .* blocked|hung_task|rcu.*(stall|starved)|Call Trace'
# What it cannot cause, in a test's own words.
WRONG="LEAK:|verify: bad|verify failed|differs|wrong data|[Cc]orrupt|(LOST|FOREIGN)(:| [1-9])"
WRONG+="|expected '[0-9a-f]{32}[^']*', got '[0-9a-f]{32}"

# complaints TEST LOG: bad lines with what follows them, unless the test expects them all
complaints() {
	local e frame='\] +(\? )?[A-Za-z0-9_.]+\+0x'
	e=$(header "$1" expect-dmesg | paste -sd'|')
	# What is on a stack, lockdep's own functions among it, is told by the line above the stack.
	e="$frame${e:+|$e}"
	grep -aE -- "$COMPLAINTS" "$2" | grep -avE -- "$e" | grep -q . || return 0
	grep -aE -A12 -- "$COMPLAINTS" "$2"
}

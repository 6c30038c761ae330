# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sourced by test/vm/run. KCSAN also reports the races of the kernel's own code: those that have
# none of our modules on either stack are not ours to mend.

races_of_ours() { # KERNEL-LOG
	awk '/==================/ && !report { report = 1; text = $0; next }
		/==================/ { report = 0; text = text "\n" $0; if (text !~ /BUG: KCSAN/ || text ~ /\[dm_cache/) print text; next }
		report { text = text "\n" $0; next }
		{ print }
		END { if (report) print text }' "$1"
}
eval "$(declare -f complaints | sed '1s/complaints/all_complaints/')"
complaints() { # TEST-FILE KERNEL-LOG
	grep -aq 'BUG: KCSAN' "$2" || { all_complaints "$@"; return; }
	races_of_ours "$2" > "$2.ours"
	all_complaints "$1" "$2.ours"
}

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # steps and step_seconds are set where this is sourced
#
# lib.sh - what the demo prints with: steps, bars, check marks. Sourced by run.
#
# Only plain lines, one after the other: a dumb terminal, a pipe and a log file get the same
# picture.

case ${LC_ALL:-${LC_CTYPE:-${LANG-}}} in
*[Uu][Tt][Ff]*) full=█ parts=('' ▏ ▎ ▍ ▌ ▋ ▊ ▉) yes=✓ no=✗ ;;
*) full='#' parts=('' '' '' '' '' '' '' '') yes='[ok]' no='[FAILED]' ;;
esac

heading() { printf '%s\n%s\n' "$1" "${1//?/=}"; }
say_line() { printf '  %s\n' "$1"; }

# step: announce the next one, and how long this and the rest may take
at_step=0
step() {
	local i left=0
	for ((i = at_step; i < ${#steps[@]}; i++)); do left=$((left + step_seconds[i])); done
	printf '\n[%d/%d] %s   (%dm%02ds gone, %dm%02ds to go at most, on 2 cores)\n' \
		$((at_step + 1)) ${#steps[@]} "${steps[at_step]}" \
		$((SECONDS / 60)) $((SECONDS % 60)) $((left / 60)) $((left % 60))
	at_step=$((at_step + 1))
}

# busy COMMAND...: its output goes to a log, shown if it fails; a dot every two seconds says it
# lives
busy() {
	local pid n=0 t0=$SECONDS
	"$@" > "$dir/log" 2>&1 &
	pid=$!
	while kill -0 $pid 2> /dev/null; do
		sleep 0.2
		n=$((n + 1))
		if [ $n = 10 ]; then printf '  .'; elif [ $((n % 10)) = 0 ]; then printf .; fi
	done
	[ $n -lt 10 ] || printf ' %d s\n' $((SECONDS - t0))
	wait $pid && return
	tail -n 30 "$dir/log" | sed 's/^/    /'
	die "this step failed: ${*##*/}"
}

# ms MICROSECONDS
ms() { printf '%d.%02d ms' $(($1 / 1000)) $(($1 % 1000 / 10)); }

# times A B: A / B with one digit
times() { [ "$2" -gt 0 ] && printf '%d.%d' $(($1 / $2)) $(($1 % $2 * 10 / $2)); }

# percent HITS MISSES
percent() { if [ $(($1 + $2)) -gt 0 ]; then echo $((100 * $1 / ($1 + $2))); else echo 0; fi; }

# bar VALUE MAX WIDTH: padded to WIDTH
bar() {
	local eighths=$((8 * $1 * $3 / $2)) out='' n
	[ $eighths -le $((8 * $3)) ] || eighths=$((8 * $3))
	n=$((eighths / 8))
	[ $n = 0 ] || printf -v out '%*s' $n ''
	out=${out// /$full}
	if [ $((eighths % 8)) -gt 0 ] && [ -n "${parts[eighths % 8]}" ]; then
		out+=${parts[eighths % 8]}
		n=$((n + 1))
	fi
	printf '%s%*s' "$out" $(($3 - n)) ''
}

draw_head() { printf '\n  %5s   %-38s   %s\n' time 'mean latency of this second' 'hits'; }

# draw_sample MS-SINCE-START IOS MEAN-US HITS MISSES DIRTY. A full bar is 10 ms.
draw_sample() {
	local hits=''
	if [ $(($4 + $5)) -gt 0 ]; then
		hits=$(printf '%3d%% %s' "$(percent "$4" "$5")" "$(bar "$4" $(($4 + $5)) 20)")
	fi
	printf '  %3d s   %s %8s   %s\n' $(($1 / 1000)) "$(bar "$3" 10000 28)" "$(ms "$3")" \
		"${hits%"${hits##*[! ]}"}"
}

# ok TEXT COMMAND...: a check mark if it succeeds
nr_ok=0 nr_failed=0
ok() {
	local text=$1
	shift
	if "$@"; then
		nr_ok=$((nr_ok + 1))
		printf '  %s %s\n' "$yes" "$text"
	else
		failed "$text"
	fi
}

failed() {
	nr_failed=$((nr_failed + 1))
	printf '  %s %s\n' "$no" "$1"
}

# no_complaints LOG...: what a kernel says when something is wrong with it
no_complaints() {
	! grep \
		-aE \
		'BUG[: ]|WARNING:|Oops|Call Trace|general protection|INFO: task|lockup|refcount_t|beyond end of device|I/O error|Kernel panic' \
		"$@"
}

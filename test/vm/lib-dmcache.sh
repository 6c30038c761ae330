# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests of the command dmcache, in the guest.

export DMCACHE_TAB=/tmp/dmcachetab
OUT=/tmp/dmcache.out

dmcache() { dash /job/dmcache "$@"; }
# With nothing but busybox, and the few programs that an initramfs has beside it.
bb_dmcache() {
	mkdir -p /tmp/bb
	for p in dmsetup blkid flock blockdev cksum; do
		[ -e /tmp/bb/$p ] || ln -s "$(command -v $p)" /tmp/bb/$p
	done
	for p in cat dd dmesg grep id mkdir mv readlink rm sed stat sync tail tr; do
		[ -e /tmp/bb/$p ] || ln -s /bin/busybox /tmp/bb/$p
	done
	PATH=/tmp/bb /bin/busybox sh /job/dmcache "$@"
}

# run STATUS CMD...: must end with that status; what it says is in $OUT
run() {
	_want=$1
	shift
	_got=0
	"$@" > $OUT 2>&1 < /dev/null || _got=$?
	[ $_got = "$_want" ] || fail "'$*' must end with $_want, not $_got: $(cat $OUT)"
	! grep -E 'not found|[Ss]yntax error|: [0-9]+: ' $OUT || fail "'$*': an error of the shell"
}
# said REGEX WHAT: in what the last one said
said() { assert_match "$(cat $OUT)" "$1" "$2"; }

# tested_lines WORD FILE: the lines of its fenced blocks behind "<!-- tested: WORD -->"
tested_lines() {
	awk -v mark="<!-- tested: $1 -->" \
		'$0 == mark { wanted = 1; next } /^```/ { on = !on && wanted; wanted = 0; next } on' "$2"
}
# run_lines FILE COMMAND: each line must succeed; after it COMMAND is called with the line
run_lines() {
	while IFS= read -r _line <&9; do
		note "$_line"
		eval "$_line" < /dev/null || fail "$_line"
		$2 "$_line" 9<&-
	done 9< "$1"
}

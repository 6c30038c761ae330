# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests of the command dmcache, in the guest.

export DMCACHE_TAB=/tmp/dmcachetab
OUT=/tmp/dmcache.out
# A test with `# builds: tools/settle/Makefile` has it.
[ ! -e /job/dmcache-settle ] || export DMCACHE_SETTLE=/job/dmcache-settle

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

# section WORD LINES: runs the lines behind "<!-- tested: WORD -->" in $DOCUMENT; so many lines
section() {
	tested_lines "$1" "$DOCUMENT" > "/tmp/section.$1"
	assert_num "$(wc -l < "/tmp/section.$1")" -eq "$2" "tested lines of $1 in $DOCUMENT"
	note "--- $1"
	run_lines "/tmp/section.$1" :
}
# fsck as a user would answer it: mend it. 1: it was mended.
fsck() { e2fsck -fy "$@" > /tmp/fsck 2>&1 || [ $? = 1 ] || fail "e2fsck: $(cat /tmp/fsck)"; }
# intact DEV: a file system that needs no repair
intact() { e2fsck -fn "$1" > /tmp/fsck 2>&1 || fail "e2fsck of $1: $(cat /tmp/fsck)"; }

# /tmp/want has $WANT_BLOCKS cache blocks of 64 KiB.
WANT_BLOCKS=19
make_want() { seq 200000 | head -c $((WANT_BLOCKS * 65536)) > /tmp/want; }
# only_cached NAME FILE: a copy, flushed, in dirty blocks of NAME: the origin lacks it. To write
# a whole block takes no copy, so it comes in; a part of one would go to the origin.
only_cached() {
	run 0 dmcache set "$1" migration_threshold=0
	dd if=/tmp/want of="$2" bs=64k oflag=direct conv=fsync 2> /dev/null
	assert_num "$(st_dirty "$1")" -ge $WANT_BLOCKS "dirty blocks of $1"
}

# old_origin: $origin with a file system, and on it the file before, a copy of /tmp/want
old_origin() {
	# Files begin with a cache block.
	mkfs.ext4 -q -F -b 4096 -O bigalloc -C 65536 $origin
	mount $origin /mnt
	cp /tmp/want /mnt/before
	umount /mnt
}
# fresh ARGS: the set data on that, mounted
fresh() {
	old_origin
	run 0 dmcache create data --origin $origin --wipe --yes "$@"
	mount /dev/mapper/data /mnt
}
# removed: the file is whole; the set goes, with all that is known of it
removed() {
	cmp /tmp/want /mnt/before || fail "what was there before the failure"
	umount /mnt
	intact /dev/mapper/data
	run 0 dmcache stop data
	for d in "$@"; do run 0 dmcache label --erase "$d" --yes; done
	rm -rf /etc/dmcachetab /etc/dmcachetab.state
}

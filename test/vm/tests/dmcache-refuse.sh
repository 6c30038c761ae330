# SPDX-License-Identifier: GPL-2.0-only
# what: dmcache refuses: wrong words, devices too small, in use, not empty, full; a status and a
#       next command for each, and no disk is written to
# long: two minutes of CPU
# needs: smp=1
# disks: 24M,16M,12M,16M,1M,2M
# files: scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
# builds: tools/settle/Makefile
# timeout: 240

. /job/lib-dmcache.sh
O=$DISK0 C=$DISK1 M=$DISK2 FULL=$DISK3 TINY=$DISK4 SMALL=$DISK5

# What the disks have been sent, and what is on them.
sent() {
	for d in $DISK0 $DISK1 $DISK2 $DISK3 $DISK4 $DISK5; do
		echo "$d $(dev_write_sectors "$d") $(dev_discards "$d")"
	done
}
on_disks() {
	for d in $DISK0 $DISK1 $DISK2 $DISK3 $DISK4 $DISK5; do echo "$d $(digest "$d")"; done
}
# begin WHAT, then `no` for each command that is refused, then unchanged
begin() {
	note "$1"
	sync
	WHAT=$1 SENT=$(sent) SUMS=$(on_disks) DM=$(dmsetup ls |
		sort) TABSUM=$(cat $DMCACHE_TAB 2> /dev/null || :)
}
# no STATUS REGEX COMMAND...: refused, with a reason and with what to do
no() {
	_no=$1 _re=$2
	shift 2
	run "$_no" "$@"
	said "$_re" "'$*'"
	said '; next: .' "'$*'"
	_now=$(sent)
	[ "$_now" = "$SENT" ] || fail "'$*' wrote: before $SENT; after $_now"
}
unchanged() {
	assert_eq "$(on_disks)" "$SUMS" "the disks, after: $WHAT"
	assert_eq "$(dmsetup ls | sort)" "$DM" "devices, after: $WHAT"
	assert_eq "$(cat $DMCACHE_TAB 2> /dev/null)" "$TABSUM" "the tab, after: $WHAT"
}
create() { dmcache create "$@" --yes; }

mkfs.ext4 -q $O
mkfs.ext4 -q -L taken $FULL

begin "wrong words"
no 2 'no command given' dmcache
no 2 "no command 'crate'" dmcache crate
no 2 'a name and --origin are needed' create c --cache $C
no 2 'a name and --origin are needed' create --origin $O
no 2 'no option --nonsense' create c --origin $O --nonsense 1
no 2 '--cache wants a value' dmcache create c --origin $O --cache
no 2 'writeback, writethrough or passthrough' create c --origin $O --cache $C --mode sideways
no 2 'a multiple of 32K' create c --origin $O --cache $C --block-size 33K
no 2 'a multiple of 32K' create c --origin $O --cache $C --block-size 2G
no 2 'key=value' create c --origin $O --cache $C --set nonsense
no 2 '--metadata wants --cache' create c --origin $O --metadata $M
no 2 'wants --cache or --label-origin' create c --origin $O --no-tab
for name in a/b .hidden -x c-cdata c-cmeta c-corig control 'two words'; do
	no 2 "$name" create "$name" --origin $O --cache $C
done
no 2 'one name' create c d --origin $O --cache $C
no 2 'name a set' dmcache assemble
no 2 'no option --nonsense' dmcache assemble --nonsense
no 2 'wants the name of one set' dmcache assemble --all --drop-cache
no 2 'name a set' dmcache stop
no 2 'name a set' dmcache detach
no 2 'name one set' dmcache resize
no 2 'a name and --cache' dmcache attach c
no 2 'key=value' dmcache set c
no 2 'name a set' dmcache check
no 2 "'12x' is neither a block device nor a size" dmcache size 12x
no 2 '5M is too small' dmcache size 5M
no 2 'name a device' dmcache label
unchanged

begin "devices that are not there, or no devices"
: > /tmp/file
no 3 'origin /dev/nonesuch: there is no such file' create c --origin /dev/nonesuch --cache $C
no 3 'cache device /dev/nonesuch: there is no such file' create c --origin $O --cache /dev/nonesuch
no 2 'origin /tmp/file is not a block device' create c --origin /tmp/file --cache $C
no 2 'cache device /dev/null is not a block device' create c --origin $O --cache /dev/null
no 2 "$O and $O are the same device" create c --origin $O --cache $O
no 2 "$C and $C are the same device" create c --origin $O --cache $C --metadata $C
ln -s $O /tmp/link
no 2 "/tmp/link and $O are the same device" create c --origin $O --cache /tmp/link
for word in assemble flush resize 'set --mode writethrough' detach 'attach --cache '$C check \
	repair; do
	# shellcheck disable=SC2086 # words
	no 6 nonesuch dmcache $word nonesuch
done
no 6 "$C has no label" dmcache label $C
no 6 "$C is a member of no set" dmcache assemble --device $C
unchanged

begin "too small, or not empty"
no 4 "cache device $SMALL has 2 MiB: too small" create c --origin $O --cache $SMALL
no 4 "cache device $TINY has 1 MiB: too small" create c --origin $O --cache $TINY
no 4 "metadata device $SMALL has 2 MiB; .* blocks need" create c --origin $O --cache $C \
	--metadata $SMALL
no 4 "origin $TINY is smaller than a MiB" create c --origin $TINY --cache $C --label-origin
no 2 'this cache needs' create c --origin $O --cache $C --metadata-size 1M
no 4 "cache device $FULL holds ext4, .*overwritten; next: .*--wipe" create c --origin $O \
	--cache $FULL
no 4 "metadata device $FULL holds ext4" create c --origin $O --cache $C --metadata $FULL
no 4 "origin $O holds ext4" create c --origin $O --cache $C --label-origin
run 8 dmcache create c --origin $O --cache $FULL --wipe
said 'ext4 is overwritten' "what would be lost"
said 'nothing was changed' "declined"
run 0 dmcache create c --origin $O --cache $FULL --wipe --dry-run
unchanged

begin "in use"
mkdir -p /mnt/a
mount -o ro,noload $O /mnt/a
no 5 "origin $O: mounted on /mnt/a" create c --origin $O --cache $C
umount /mnt/a
mount -o ro,noload $FULL /mnt/a
no 5 "cache device $FULL: mounted on /mnt/a" create c --origin $O --cache $FULL --wipe
umount /mnt/a
linear x $C 0 2048
no 5 "cache device $C: used by dm-" create c --origin $O --cache $C
no 5 '/dev/mapper/x exists already' create x --origin $O --cache $C
for word in flush resize 'set --mode writethrough' 'attach --cache '$M; do
	# shellcheck disable=SC2086 # words
	no 4 '/dev/mapper/x (exists, and )?was not made by dmcache' dmcache $word x
done
dmsetup remove x
blockdev --setro $C
no 4 "cache device $C is read-only; next: blockdev --setrw" create c --origin $O --cache $C
blockdev --setrw $C
exec 7> /run/dmcache/lock
flock 7
export DMCACHE_LOCK_WAIT=1
no 7 'another dmcache has held' create c --origin $O --cache $C
unset DMCACHE_LOCK_WAIT
exec 7>&-
unchanged

begin "names that are taken, a tab that is wrong"
echo "c $O none - -" > $DMCACHE_TAB; TABSUM=$(cat $DMCACHE_TAB)
no 4 'has a set c already' create c --origin $O --cache $C
echo "e sideways - - -" > $DMCACHE_TAB; TABSUM=$(cat $DMCACHE_TAB)
no 2 "line 1: origin 'sideways' is neither" create c --origin $O --cache $C
no 2 'line 1: .*; next: correct that line' dmcache assemble --all
rm $DMCACHE_TAB; TABSUM=
unchanged

# The tab cannot be written: what was done by then is undone. The cache device's content was given
# up.
note "a full disk"
before=$(digest $O)
# An old tab stays whole.
mkdir -p /mnt/full
mount -t tmpfs -o size=4k tmpfs /mnt/full
dd if=/dev/zero of=/mnt/full/fill bs=4k count=1 2> /dev/null
run 1 env DMCACHE_TAB=/mnt/full/tab dash /job/dmcache create c --origin $O --cache $C --yes
said '/mnt/full/tab cannot be written; next: df' "a full disk"
assert_eq "$(dmsetup ls)" "No devices found" "devices after a create that failed"
run 6 dmcache label $C
assert_eq "$(digest $O)" "$before" "the origin after a create that failed"
assert_eq "$(ls /mnt/full)" fill "what is left of the tab"
umount /mnt/full
mount -t tmpfs -o size=8k tmpfs /mnt/full
echo "# the old one" > /mnt/full/tab
dd if=/dev/zero of=/mnt/full/fill bs=4k count=1 2> /dev/null
run 1 env DMCACHE_TAB=/mnt/full/tab dash /job/dmcache create c --origin $O --yes
said '/mnt/full/tab cannot be written; next: df' "a full disk, with a tab"
assert_eq "$(cat /mnt/full/tab)" "# the old one" "the tab on a full disk"
assert_eq "$(ls /mnt/full | paste -sd' ')" "fill tab" "what else is left"
assert_eq "$(dmsetup ls)" "No devices found" "devices after a create that failed"

# In passthrough mode the target itself writes nothing behind our back.
run 0 create c --origin $O --cache $C --mode passthrough
SENT=
wait_for '_now=$SENT; sleep 1; SENT=$(sent); [ "$_now" = "$SENT" ]' 60
begin "a set that runs"
no 4 'has a set c already' create c --origin $O --cache $M
no 5 "origin $O: used by" create d --origin $O --cache $M
no 5 "cache device $C: used by" create d --origin $FULL --cache $C
no 4 'c has a cache already' dmcache attach c --cache $M --yes
no 5 'c is running; next: dmcache stop c' dmcache check c
no 5 'c is running; next: dmcache stop c' dmcache repair c
no 5 "$C: used by" dmcache label --erase $C --yes
exec 7< /dev/mapper/c
no 5 '/dev/mapper/c: in use' dmcache stop c
exec 7<&-
unchanged
run 0 dmcache stop c

begin "a set that is stopped"
no 4 "cache device $C holds the cache member of the set c" create d --origin $FULL --cache $C
rm $DMCACHE_TAB; TABSUM=
no 4 'a label names a set c already' create c --origin $FULL --cache $M
# Repair where there is no room for a file
no 4 "metadata on $C cannot be repaired" env TMPDIR=/mnt/full dash /job/dmcache repair c
run 8 dmcache label --erase $C
said 'cannot be assembled without it' "label --erase"
unchanged
umount /mnt/full
run 0 dmcache assemble c
run 0 dmcache stop c

# SPDX-License-Identifier: GPL-2.0-only
# what: the walk of doc/dev/walk.md: a cache is created, broken, repaired and removed, as written
# durability: yes
# needs: smp=1
# disks: 24M,64M,24M,32M
# boots: 2
# files: doc/dev/walk.md scripts/dmcache scripts/lib test/vm/lib-dmcache.sh
#        test/vm/lib-fail.sh
# builds: tools/settle/Makefile
# timeout: 240

. /job/lib-dmcache.sh
. /job/lib-fail.sh
unset DMCACHE_TAB
# As those of below(), but on disks that outlive the boot.
ln -s $DISK0 /dev/f0
ln -s $DISK1 /dev/s0
ln -s $DISK2 /dev/n0
for x in f s; do
	dmsetup create $x --uuid walk-$x --table "0 $(sectors /dev/${x}0) linear /dev/${x}0 0"
done
cache=/dev/mapper/f origin=/dev/mapper/s new=$DISK2

# ----- what breaks -----

bad_sectors() {
	at=$(dmcache label $cache | awk '$1 == "start" { s = $2 } $1 == "length" { print s, $2 }')
	# shellcheck disable=SC2086 # two words
	fails f $at
	echo 3 > /proc/sys/vm/drop_caches
}
# Its label could be read from the disk below.
cache_gone() {
	dd if=$DISK0 of=/tmp/label bs=1M count=1 iflag=direct 2> /dev/null
	gone f
	dd if=/dev/zero of=$DISK0 bs=1M count=1 oflag=direct 2> /dev/null
	dd if=/dev/zero of=/mnt/other bs=64k count=8 2> /dev/null || :
	sync
	# All of these writes may be to blocks that are dirty, and then no metadata is wanted. Clean
	# blocks that cannot be read are dropped, which takes a commit.
	dd if=/dev/mapper/data of=/dev/null bs=64k iflag=direct conv=noerror 2> /dev/null || :
	wait_for '[ "$(st_mode data)" = Fail ]' 60
}
cache_back() {
	dd if=/tmp/label of=$DISK0 bs=1M oflag=direct 2> /dev/null
	back f
}
overwritten() {
	start=$(($(dmcache label $new | awk '$1 == "metadata_start" { print $2 }') / 8))
	leaf=$(u64 n $((start + $(u64 n $start $HINTS))) 2048)
	dd if=/dev/urandom of=$new bs=4096 seek=$((start + leaf)) count=1 conv=notrunc,fsync \
		2> /dev/null
}
origin_bad() { fails s 119800 400; }
origin_back() { back s; }
# What a real machine keeps of its root file system.
power() {
	mkfs.ext4 -q $DISK3
	mkdir -p /tmp/root
	mount $DISK3 /tmp/root
	cp -a /etc/dmcachetab /etc/dmcachetab.state /tmp/root/
	sync
	power_cut
}

# ----- the walk -----

# step LINE: a command; "# says: TEXT" or "# fails: TEXT" behind it is what it must say
step() {
	note "$1"
	_says= _fails= _got=0
	case $1 in
	*'# says: '*) _says=${1##*\# says: } ;;
	*'# fails: '*) _fails=${1##*\# fails: } ;;
	esac
	eval "$1" > $OUT 2>&1 < /dev/null || _got=$?
	sed 's/^/  | /' $OUT
	# What went through a device of device-mapper is old in the page cache of the disk below.
	blockdev --flushbufs $DISK0 && blockdev --flushbufs $DISK1
	if [ -n "$_fails" ]; then
		[ $_got != 0 ] || fail "succeeds: $1"
	else
		[ $_got = 0 ] || fail "gives $_got: $1"
	fi
	grep -qF -- "$_says$_fails" $OUT || [ -z "$_says$_fails" ] || fail "is not said: $1"
}

# Lines "step COMMAND" and "break NAME".
awk '
	/^<!-- break: [a-z_]+ -->$/ { print "break", $3; next }
	/^<!-- tested: walk -->$/ { wanted = 1; next }
	/^```/ { on = !on && wanted; wanted = 0; next }
	on { print "step", $0 }' /job/walk.md > /tmp/walk
assert_num "$(grep -c '^step dmcache' /tmp/walk)" -ge 30 "commands in walk.md"
assert_num "$(grep -c '^break' /tmp/walk)" -eq 7 "breaks in walk.md"
if [ "$BOOT" = 1 ]; then
	mkfs.ext4 -q -b 4096 $origin
else
	sed -i '1,/^break power$/d' /tmp/walk
	mkdir -p /var/tmp
	mount $DISK3 /var/tmp
	cp -a /var/tmp/dmcachetab /var/tmp/dmcachetab.state /etc/
fi
while read -r what line <&9; do
	case $what in
	step) step "$line" ;;
	break) note "----- $line"; $line ;;
	esac
done 9< /tmp/walk
umount /mnt
intact $origin
umount /var/tmp

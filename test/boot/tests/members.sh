# SPDX-License-Identifier: GPL-2.0-only
# what: members of a set that are duplicated, stale, foreign, missing, late, swapped: refused with a
#       reason, or assembled with the right ones
# disks: slow:64M,fast:24M,meta:24M,spare:24M,other:16M
# boots: 3
# timeout: 500
# boot2: without=meta,spare,other
# boot3: without=spare,other late=meta:40
#
# The origin is an adopted filesystem, and named by the tab; the cache and metadata devices have
# labels. labels.sh has other orders, repeated events, and an origin that comes late.

heads() {
	for _d in slow fast meta spare; do
		[ ! -e $D-$_d ] || echo "$_d $(dd if=$D-$_d bs=4096 count=2 2> /dev/null | md5sum)"
	done
}
# again NAME...: they go, and come in this order, as if the machine had been off meanwhile
again() {
	unplug "$@"
	sleep 1
	SINCE=$(date +%s)
	plug "$@"
}
said() {
	wait_for \
		"journalctl -b -o cat --no-pager --since @$SINCE -u 'dmcache@*' | grep -Eq -- '$1'" 180
}
idle() { wait_for '[ "$(systemctl is-active dmcache@c)" != activating ]' 180; udevadm settle; }
# refused REGEX: why the set is not there; the origin is not to be had alone; no label was written
refused() {
	said "$1"
	idle
	refute [ -e /dev/mapper/c ]
	refute [ -e /dev/disk/by-label/data ]
	assert_match "$(udev_of $D-slow)" '^SYSTEMD_READY=0$' \
		"udev, the origin of a set that was refused"
	assert_eq "$(heads)" "$HEADS" "the labels"
}
below() { ls "/sys/class/block/$(basename "$(readlink -f "/dev/mapper/$1")")/slaves"; }
# whole CACHE METADATA: it runs, on these, and nothing is lost
whole() {
	wait_for '[ -b /dev/mapper/c ]' 180
	idle
	assert_eq "$(below c-cdata)" "$(basename "$(readlink -f $D-$1)")" "the cache device"
	assert_eq "$(below c-cmeta)" "$(basename "$(readlink -f $D-$2)")" "the metadata device"
	assert_eq "$(readlink -f /dev/disk/by-label/data)" "$(readlink -f /dev/mapper/c)" \
		"by-label/data"
	mountpoint -q /mnt || mount /dev/mapper/c /mnt
	(cd /mnt && assert md5sum -c --quiet sum)
}
# more: another file and other sums, some of it only in the cache
more() {
	dd if=/dev/urandom of=/mnt/file bs=64k count=32 conv=fsync 2> /dev/null
	for _i in 1 2 3; do dd if=/mnt/file of=/mnt/hot bs=64k conv=fsync 2> /dev/null; done
	(cd /mnt && md5sum file hot > sum)
}
stop() { umount /mnt; assert dmcache stop c; HEADS=$(heads); }
copy() { dd if=$D-$1 of=$D-$2 bs=1M conv=fsync 2> /dev/null; udevadm settle; HEADS=$(heads); }

case $BOOT in
1)
	mkfs.ext4 -q -L data $D-slow
	assert dmcache create c --origin $D-slow --cache $D-fast --metadata $D-meta --yes
	sed -i 's/^\(c .*\) -$/\1 x-systemd.device-timeout=10s/' /etc/dmcachetab
	mount /dev/mapper/c /mnt
	more
	stop

	note "duplicated: a copy of the cache device"
	copy fast spare
	# The origin comes last: else the first three would do.
	again spare meta fast slow
	refused 'c: duplicate: the same member is on /dev/vd. /dev/vd.; next: '

	note "stale: the copy in the place of the cache device, which has run without it"
	unplug spare
	assert dmcache assemble c
	whole fast meta
	more
	stop
	unplug fast
	HEADS=
	SINCE=$(date +%s)
	plug spare
	HEADS=$(heads)
	refused \
		'c: /dev/vd. is stale: its label is of generation [0-9]+, that of the set is [0-9]+; the set ran without it'
	again slow spare meta
	refused 'is stale'
	unplug spare
	SINCE=$(date +%s)
	plug fast
	whole fast meta
	more
	stop

	note "foreign: a member of another set of the same name"
	unplug slow fast meta
	plug spare
	idle
	dd if=/dev/zero of=$D-spare bs=1M count=2 conv=fsync 2> /dev/null
	assert env DMCACHE_TAB=/run/other.tab dmcache create c --origin $D-other --cache $D-spare \
		--no-tab --yes
	udevadm trigger \
		--settle --action=change "/sys/class/block/$(basename "$(readlink -f $D-other)")"
	idle
	assert dmcache stop c
	SINCE=$(date +%s)
	plug slow fast meta
	HEADS=$(heads)
	refused 'c: two sets are called c: [0-9a-f-]* on /dev/vd., and [0-9a-f-]* on /dev/vd.; next: dmcache label --erase'
	unplug spare other
	SINCE=$(date +%s)
	assert dmcache assemble c
	whole fast meta
	stop

	note "missing, and then there"
	unplug slow fast meta
	SINCE=$(date +%s)
	plug slow meta
	HEADS=$(heads)
	refused \
		'c: not all there after 10 s: .*cache member is missing; next: attach the device.*given up until another member comes'
	plug fast
	whole fast meta
	stop

	note "swapped: what was on one fast device is on the other"
	dd if=$D-fast of=/var/tmp/fast bs=1M 2> /dev/null
	copy meta fast
	dd if=/var/tmp/fast of=$D-meta bs=1M conv=fsync 2> /dev/null
	rm /var/tmp/fast
	again meta slow fast
	whole meta fast
	more
	umount /mnt
	echo 'LABEL=data /mnt ext4 nofail 0 0' >> /etc/fstab
	;;
2)
	# The cache device is missing, and only it has some of the data.
	SINCE=0 HEADS=$(heads)
	refused 'c: not all there after 10 s: .*cache member is missing'
	refute mountpoint -q /mnt
	;;
3)
	# It comes when the system is up, or nearly so.
	whole meta fast
	wait_for 'mountpoint -q /mnt' 60
	assert_eq "$(dmesg | grep -c 'device-mapper.*not shut down cleanly' || :)" 0 \
		"caches that were not shut down cleanly"
	;;
esac

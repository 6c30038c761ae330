# SPDX-License-Identifier: GPL-2.0-only
# what: caches from the tab: mounted by fstab at boot, clean shutdown, power cut, a missing cache
# disks: slow:64M,fast:24M,meta:8M,slow2:64M,fast2:24M,note:1M
# boots: 4
# timeout: 240
# boot4: without=fast
#
# c has no labels: the tab names its three devices, the origin by the UUID of what is on it, which
# the cached device has too. d is what `dmcache create` makes.
unclean() { dmesg | grep -c "device-mapper.*not shut down cleanly" || :; }
# at TEXT [ARGS]: when the journal of this boot has it
at() {
	journalctl -b -o short-monotonic --no-pager |
		sed -n "/$1/{s/^\[ *\([0-9]*\)\.\([0-9]*\).*/\1\2/p;q}"
}
mounted() {
	for m in /srv:c /opt:d; do
		wait_for "mountpoint -q ${m%:*}" 60
		assert_eq "$(findmnt -no SOURCE ${m%:*})" "/dev/mapper/${m#*:}" \
			"what is mounted on ${m%:*}"
		assert_eq "$(dmsetup table "${m#*:}" | awk '{ print $3 }')" cache \
			"the target of ${m#*:}"
		(cd ${m%:*} && assert md5sum -c --quiet sum)
	done
}

case $BOOT in
1)
	mkfs.ext4 -q -L data $D-slow
	mkfs.ext4 -q -L more $D-slow2
	size=$(blockdev --getsz $D-slow)
	dmsetup create c \
		--table "0 $size cache $D-meta $D-fast $D-slow 128 2 metadata2 writeback default 0"
	uuid=$(blkid -c /dev/null -o value -s UUID $D-slow)
	[ -n "$uuid" ] || fail "no UUID on the origin"
	echo "c UUID=$uuid $D-fast $D-meta" > /etc/dmcachetab
	assert dmcache create d --origin $D-slow2 --cache $D-fast2 --yes
	cat /etc/dmcachetab
	printf 'LABEL=data /srv ext4 defaults 0 2\nLABEL=more /opt ext4 defaults 0 2\n' \
		>> /etc/fstab
	mkdir -p /srv /opt
	mount /dev/mapper/c /srv
	mount /dev/mapper/d /opt
	for m in /srv /opt; do
		dd if=/dev/urandom of=$m/file bs=1M count=8 conv=fsync 2> /dev/null
		(cd $m && md5sum file > sum)
		for i in 1 2 3; do
			dd if=/dev/urandom of=$m/hot bs=64k count=32 conv=notrunc,fsync 2> /dev/null
		done
	done
	dmsetup status c
	dmsetup status d
	note "the numbers, for node_exporter and by HTTP"
	mkdir -p /var/lib/prometheus/node-exporter
	assert systemctl start dmcache-metrics.service
	assert grep -qx 'dmcache_up{name="d"} 1' /var/lib/prometheus/node-exporter/dmcache.prom
	assert systemctl start dmcache-metrics.timer dmcache-metrics.socket
	bash -c 'exec 3<> /dev/tcp/127.0.0.1/9824 &&
		printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3' > /tmp/http
	assert grep -qx 'dmcache_up{name="d"} 1' /tmp/http
	;;
2)
	mounted
	# Of a set that only the tab knows, the initramfs knows nothing.
	t1=$(at 'c: assembled') t2=$(at 'Mounting srv.mount')
	[ "$t1" -gt 0 ] && [ "$t1" -lt "$t2" ] || fail "assembled at $t1, mounted at $t2"
	t1=$(at 'Finished systemd-fsck@dev-disk-by.*label-data')
	[ "$t1" -gt 0 ] && [ "$t1" -lt "$t2" ] || fail "checked at $t1, mounted at $t2"
	assert_eq "$(unclean)" 0 "caches that were not shut down cleanly"
	assert_match "$(journalctl -b -1 -o cat --no-pager)" 'd: stopped' \
		"the journal of the shutdown"
	for d in slow fast meta slow2 fast2; do
		p=$(udev_of $D-$d)
		assert_match "$p" '^SYSTEMD_READY=0$' "udev, $d"
		refute_match "$p" '^ID_FS_(UUID|LABEL)=|by-(uuid|label)/' "udev, $d"
	done
	# Numbers that were flushed to the cache are then noted on another disk.
	(
		i=0
		while :; do
			i=$((i + 1))
			echo $i > /srv/n && sync /srv/n && echo $i |
			dd of=$D-note bs=512 conv=sync oflag=direct 2> /dev/null
		done
	) &
	wait_for '[ "$(head -n 1 $D-note | tr -d "\\0")" -ge 20 ] 2> /dev/null' 60
	power_cut
	;;
3)
	mounted
	assert_eq "$(unclean)" 2 "caches that were not shut down cleanly"
	n=$(cat /srv/n)
	acked=$(head -n 1 $D-note)
	note "last number on disk: $n, flushed: $acked"
	[ "$acked" -ge 20 ] && [ "$n" -ge "$acked" ] ||
		fail "number $acked was flushed, on disk is $n"
	for m in /srv:c /opt:d; do
		umount ${m%:*}
		assert e2fsck -fn /dev/mapper/${m#*:}
	done
	assert dmcache stop d
	# Without nofail, a boot without it ends in the emergency shell, as with any other disk.
	sed -i 's,\(LABEL=data.*\) defaults,\1 nofail,' /etc/fstab
	sed -i 's,^c .*,& degraded=alone,' /etc/dmcachetab
	# c is not stopped: what is known of it is that it may have dirty blocks.
	sync
	power_cut
	;;
4)
	# Maybe dirty, and no cache: nothing may be mounted in its place, whatever degraded= says.
	wait_for "journal -u dmcache@c | grep -q 'not all there after 30 s'" 90
	wait_for '[ "$(systemctl is-active dmcache@c)" != activating ]' 30
	journal -u dmcache@c
	assert_match "$(journal -u dmcache@c)" 'not all there after 30 s: .*cache.*missing' \
		"journal"
	assert_match "$(journal -u dmcache@c)" \
		'is not known to be complete; next: .* --drop-cache c .all is lost that was written since' "journal"
	refute mountpoint -q /srv
	refute [ -e /dev/mapper/c ]
	refute [ -e /dev/disk/by-label/data ]
	assert_eq "$(findmnt -no SOURCE /opt)" /dev/mapper/d "what is mounted on /opt"
	assert_eq "$(unclean)" 0 "caches that were not shut down cleanly"
	;;
esac

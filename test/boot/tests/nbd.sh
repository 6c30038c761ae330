# SPDX-License-Identifier: GPL-2.0-only
# what: an origin from the network (NBD) with _netdev in tab and fstab: assembled behind the
#       network, mounted behind that, stopped before it goes
# disks: fast:24M
# nbd: slow:64M
# boots: 3
# timeout: 300

unclean() { dmesg | grep -c "device-mapper.*not shut down cleanly" || :; }
# at BOOT TEXT: when the journal of that boot has it, in microseconds
at() {
	_at=$(journalctl -b "$1" -o short-monotonic --no-pager |
		sed -n "/$2/{s/^\[ *\([0-9]*\)\.\([0-9]*\).*/\1\2/p;q}")
	[ -n "$_at" ] || fail "the journal of boot $1 has no '$2'"
	echo "$_at"
}
# order BOOT TEXT...: they came one behind the other
order() {
	_boot=$1 _last=0 _was=start
	shift
	for _text in "$@"; do
		_t=$(at "$_boot" "$_text")
		[ "$_t" -ge "$_last" ] || fail "boot $_boot: '$_text' came before '$_was'"
		_last=$_t _was=$_text
	done
}
mounted() {
	wait_for 'mountpoint -q /srv' 120
	assert_eq "$(findmnt -no SOURCE /srv)" /dev/mapper/c "what is mounted"
	assert_match "$(dmsetup table c)" ' cache ' "its table"
	(cd /srv && assert md5sum -c --quiet sum)
	assert_match "$(udev_of /dev/nbd0)" '^SYSTEMD_READY=0$' "udev, the origin"
	refute_match "$(udev_of /dev/nbd0)" '^ID_FS_(UUID|LABEL)=|by-(uuid|label)/' \
		"udev, the origin"
	# Only what the cache has: it was stopped in time, or it could not be so.
	assert_eq "$(unclean)" 0 "caches that were not shut down cleanly"
	order 0 'Finished nbd@nbd0.service' 'c: assembled' 'Mounting srv.mount'
}

case $BOOT in
1)
	# As an administrator sets it up: the network, the client, the cache, the two tables.
	printf '[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\n' \
		> /etc/systemd/network/eth0.network
	echo nbd > /etc/modules-load.d/nbd.conf
	# nbd-client 3.24 takes no port from its nbdtab.
	mkdir -p /etc/systemd/system/nbd@nbd0.service.d
	printf '[Service]\nExecStart=\nExecStart=/sbin/nbd-client 10.0.2.2 %s /dev/nbd0 -N slow\n' \
		"$NBD_PORT" > /etc/systemd/system/nbd@nbd0.service.d/port.conf
	systemctl daemon-reload
	systemctl -q enable systemd-networkd nbd@nbd0
	modprobe nbd
	systemctl start systemd-networkd systemd-networkd-wait-online
	systemctl start nbd@nbd0
	wait_for '[ "$(blockdev --getsz /dev/nbd0)" = 131072 ]' 60
	mkfs.ext4 -q -L data /dev/nbd0
	assert dmcache create c --origin /dev/nbd0 --cache $D-fast --yes
	sed -i 's/^\(c .*\) -$/\1 _netdev/' /etc/dmcachetab
	assert dmcache option c _netdev
	mkdir -p /srv
	echo 'LABEL=data /srv ext4 _netdev,x-systemd.requires=nbd@nbd0.service 0 0' >> /etc/fstab
	systemctl daemon-reload
	mount /srv
	dd if=/dev/urandom of=/srv/file bs=1M count=8 conv=fsync 2> /dev/null
	(cd /srv && md5sum file > sum)
	for i in 1 2 3; do
		dd if=/dev/urandom of=/srv/hot bs=64k count=32 conv=notrunc,fsync 2> /dev/null
	done
	dmsetup status c
	# Only the cache has some of it: without a clean stop they would all be marked so.
	;;
2 | 3)
	mounted
	# How the last boot ended.
	order -1 'srv.mount: Deactivated' 'c: stopped' 'Stopped nbd@nbd0.service'
	refute_match "$(journalctl -b -1 -k -o cat --no-pager)" \
		'I/O error|nbd0: .*(error|[Ff]ail)' "the kernel log of the last boot"
	dd if=/dev/urandom of=/srv/file bs=1M count=4 conv=fsync 2> /dev/null
	(cd /srv && md5sum file > sum)
	;;
esac

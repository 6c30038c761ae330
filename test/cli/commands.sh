# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2086 # $SH may be two words
#
# commands.sh LIB DIR "SHELL" live|refuse - run by test/cli/run: whole commands in the world of
# fake.sh.
set -u
LIB=$1 DIR=$2 W=$2/w SH=$3
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/fake.sh"
. "$HERE/faults.sh"
. "$HERE/settle.sh"
. "$HERE/metrics.sh"
. "$HERE/origin.sh"
export DMCACHE_TAB=$2/tab2 DMCACHE_RUN=$2/run DMCACHE_LIB=$W/lib TMPDIR=$2 DMCACHE_FLUSH_IDLE=20
OUT=$2/said
NL='
'

bad() { echo "commands.sh: $*" >&2; exit 1; }
run() { # STATUS ARGS...
	_want=$1
	shift
	_got=0
	PATH=$W/bin:$PATH $SH "$HERE/../../scripts/dmcache" "$@" > $OUT 2>&1 < /dev/null || _got=$?
	[ $_got = "$_want" ] || bad "'dmcache $*' gave $_got, not $_want: $(cat $OUT)"
	! grep \
		-E \
		'not found$|[Ss]yntax error|parameter not set|unbound|bad number|Illegal number|can(not|.t) (open|create)' $OUT || bad "'dmcache $*': an error of the shell"
}
said() { grep -Eq -- "$1" $OUT || bad "not said: /$1/ but: $(cat $OUT)"; }
table() {
	grep -Eq -- "$2" "$W/dm/$1/table" || bad "table of $1: not /$2/ but $(cat "$W/dm/$1/table")"
}
none() { [ -z "$(ls "$W/dm")" ] || bad "devices are left: $(ls "$W/dm")"; }
label() { run 0 label "$W/dev/$1"; said "^$2 +$3\$"; }

begin() {
	rm -f "$DMCACHE_TAB"
	fake_world
	fake_device hdd 64 11111111-01
	fake_device ssd 24 22222222-01
	fake_device ssd2 24 22222222-02
	fake_device meta 16 22222222-03
	fake_device hdd2 32 33333333-01
	fake_device ssd3 8 33333333-02
	fake_device meta2 8 33333333-03
	D=$W/dev
}

# In the background, as $PID; with `begun` it is waited for until the cleaner runs.
begun() {
	PATH=$W/bin:$PATH $SH "$HERE/../../scripts/dmcache" flush c > $OUT.flush 2>&1 < /dev/null &
	PID=$!
	n=0
	until grep -q ' cleaner ' "$W/dm/c/table"; do
		n=$((n + 1))
		[ $n -lt 100 ] || bad "no flush: $(cat $OUT.flush)"
		sleep 0.1
	done
}

live() {
	rm "$W/proc/swaps"	# a kernel without swap
	run 0 create c --origin $D/hdd --cache $D/ssd --yes --policy smq --set a=1
	table c 'cache .* 2 writeback metadata2 smq 2 a 1$'
	label ssd state open
	label ssd dirty unknown
	run 6 status nonesuch
	run 2 status a/b
	run 2 status --nonsense

	# ----- status -----
	echo 55 > $W/dirty
	run 0 status c
	said '3.4 MiB would be lost if the cache device died now'
	said "cache .* on $D/ssd, .* blocks of 64 KiB; metadata on $D/ssd"
	run 0 status --json
	python3 - $OUT $D << 'END' || bad "json: $(cat $OUT)"
import json, sys
a, = json.load(open(sys.argv[1]))
d = sys.argv[2]
want = dict(name="c", state="running", origin=d + "/hdd", cache=d + "/ssd", metadata=d + "/ssd", dirty_blocks=55, bytes_at_risk=55 << 16,
            policy="smq", mode="writeback", read_only=False, tunables=dict(migration_threshold="2048", a="1"))
sys.exit({k: a.get(k) for k in want} != want)
END

	run 0 top c --count 1
	said 'c  writeback, policy smq, every 1 s'
	said 'dirty +\[#*\.*\] .* 3.4 MiB would be lost'
	run 2 top c --interval 0

	# ----- set -----
	run 2 set c
	run 2 set c --mode sideways
	said 'next: dmcache set --help'
	run 4 set c --mode passthrough
	said '55 blocks are dirty'
	run 0 set c --policy mq b=2
	table c ' 2 metadata2 writeback mq 2 migration_threshold 2048$'
	label ssd policy mq
	label ssd policy_args write_allocate,25,b,2
	# What a message changed stays when the mode changes.
	run 0 set c migration_threshold=4096
	run 0 set c --mode writethrough
	table c ' metadata2 writethrough mq 4 migration_threshold 4096 b 2$'
	label ssd mode writethrough
	# All or nothing: a policy that there is not; a tunable that is refused.
	cp "$W/dm/c/table" $OUT.table
	for x in '--policy nonesuch' 'b=3 bad=1' '--mode writeback --policy smq b=3 bad=1'; do
		run 1 set c $x
		said refused
		rm -f "$W/dm/c/inactive"
		table c ' metadata2 writethrough mq 4 migration_threshold 4096 b 2$'
		run 0 status c
		said 'policy mq \(b 2\)'
		label ssd policy mq
		label ssd mode writethrough
		label ssd policy_args write_allocate,25,b,2,migration_threshold,4096
	done
	run 0 set c --mode writeback

	# ----- flush: whole, interrupted, killed and taken up again -----
	run 0 flush c
	said 'c \[#{20}\] 100.0 %, 0 B dirty'
	said 'all dirty blocks are written back'
	table c ' metadata2 writeback mq 4 migration_threshold 4096 b 2$'
	[ ! -e "$DMCACHE_RUN/flush.c" ] || bad "a note is left"
	: > $W/stuck
	echo 30 > $W/dirty
	begun
	table c ' metadata2 writethrough cleaner 2 migration_threshold 4096$'
	run 5 flush c
	said 'a flush of it is under way'
	run 5 set c b=1
	run 0 status c
	kill $PID
	_got=0
	wait $PID || _got=$?
	[ $_got = 1 ] || bad "an interrupted flush gave $_got"
	table c ' metadata2 writeback mq 4 migration_threshold 4096 b 2$'
	begun
	kill -9 $PID
	wait $PID 2> /dev/null
	sleep 1.2
	table c ' cleaner '
	rm $W/stuck
	run 0 flush c
	table c ' metadata2 writeback mq 4 migration_threshold 4096 b 2$'
	# Nothing moves: an error, and as it was before
	: > $W/stuck
	echo 3 > $W/dirty
	export DMCACHE_FLUSH_IDLE=1
	run 1 flush c
	said '3 blocks are still dirty'
	table c ' writeback mq '
	rm $W/stuck

	run 0 stop --flush c
	said 'origin is complete'
	none
	label ssd state closed
	run 0 status c
	said 'not running'
	said 'nothing would be lost'
	run 0 status --json c
	said '"state":"stopped".*"dirty_blocks":0'
	run 6 flush c
	run 6 set c a=1
	run 0 assemble c
	table c ' mq .*b 2'
	echo 7 > $W/dirty
	run 0 stop c
	run 0 status c
	said '448 KiB would be lost'
	run 0 list
	said '^c +stopped.*cache .* on .*ssd, writeback'
	none
}

# finds TEXT NEXT: that is wrong, and nothing else
finds() {
	run 1 doctor -q
	said "^WRONG  .*$1.*; next: .*$2"
	said '^problems: 1'
}

doctor() {
	export DMCACHE_ROOT=$DIR/root
	root=$DMCACHE_ROOT k=6.1.0-1-amd64
	modules=$root/lib/modules
	mkdir -p $modules/$k/kernel $modules/$k/updates/dkms $root/boot $root/usr/lib/dmcache \
		$root/usr/lib/udev/rules.d \
		$root/usr/lib/systemd/system $root/usr/lib/systemd/system-shutdown \
		$root/sys/firmware/efi/efivars $root/var/lib/dkms
	for f in lib/udev/rules.d/62-dmcache.rules lib/systemd/system/dmcache@.service \
		lib/systemd/system/dmcache-shutdown.service \
		lib/systemd/system/dmcache-shutdown-net.service \
		lib/systemd/system-shutdown/dmcache; do
		: > $root/usr/$f
	done
	printf '#!/bin/sh\n[ -e %s/root-is-cached ]\n' $DIR > $root/usr/lib/dmcache/boot
	chmod +x $root/usr/lib/dmcache/boot
	: > $modules/$k/updates/dkms/dm-cache.ko.xz
	: > $root/boot/initrd.img-$k
	: > $W/bin/update-initramfs
	chmod +x $W/bin/update-initramfs
	: > $root/var/lib/dkms/mok.pub
	echo $k > $W/kernel
	printf 'srcversion ABC\nsigner Me\n' > $W/modinfo
	printf '%s\n' usr/sbin/dmcache usr/lib/dmcache/boot usr/lib/dmcache/assemble.sh \
		usr/lib/udev/rules.d/62-dmcache.rules \
		usr/lib/modules/$k/updates/dkms/dm-cache.ko.xz > $W/initramfs
	echo 'mok.pub is already enrolled' > $W/mok
	run 0 create c --origin $D/hdd --cache $D/ssd --yes
	run 0 create d --origin $D/hdd2 --cache $D/ssd3 --yes
	run 0 stop d
	run 2 doctor c
	run 2 doctor --nonsense
	run 0 doctor
	said '^ok     c runs, writeback, policy default'
	said '^ok     d is stopped; its members are all there'
	said '^ok     Secure Boot is off'
	said '^no problems'

	# ----- modules -----
	mkdir -p $modules/6.2.0-1-amd64/kernel
	finds 'kernel 6.2.0-1-amd64 has no dm-cache of this project, and no headers' \
		'apt-get install linux-headers-6.2.0-1-amd64'
	mkdir $modules/6.2.0-1-amd64/build
	: > $modules/6.2.0-1-amd64/build/Makefile
	finds 'kernel 6.2.0-1-amd64 has no dm-cache' 'dkms autoinstall -k 6.2.0-1-amd64'
	rm -r $modules/6.2.0-1-amd64
	mkdir -p $W/sys/module/dm_cache
	finds "the kernel's own dm-cache is loaded" 'modprobe -r dm-cache-smq dm-cache'
	mkdir -p $W/sys/module/dm_cache_persistent_data
	echo XYZ > $W/sys/module/dm_cache/srcversion
	finds 'another version' reboot
	echo ABC > $W/sys/module/dm_cache/srcversion
	printf '\006\000\000\000\001' \
		> $root/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	run 0 doctor
	said '^ok     Secure Boot is on, and dm-cache is signed'
	echo 'mok.pub is not enrolled' > $W/mok
	finds 'is not enrolled' 'mokutil --import'
	echo srcversion ABC > $W/modinfo
	finds 'is not signed' 'Secure Boot in doc/admin/install.md'
	rm $root/sys/firmware/efi/efivars/*

	# ----- the boot -----
	mv $root/usr/lib/udev/rules.d/62-dmcache.rules $DIR/rules
	finds 'rules.d/62-dmcache.rules missing' 'make install-tools'
	mv $DIR/rules $root/usr/lib/udev/rules.d/62-dmcache.rules
	echo 'quiet dmcache.assemble=off' > $W/proc/cmdline
	finds 'nothing is assembled at boot' 'reboot without it'
	echo quiet > $W/proc/cmdline
	sed -i 's,updates/dkms,kernel/drivers/md,' $W/initramfs
	finds "holds the kernel's own dm-cache" 'update-initramfs -u -k'
	rm $W/bin/update-initramfs
	# This machine may have one.
	command -v update-initramfs > /dev/null ||
		finds "holds the kernel's own dm-cache" 'dracut --force .*initrd.img-'
	: > $W/bin/update-initramfs
	chmod +x $W/bin/update-initramfs
	sed -i '/ko/d' $W/initramfs
	run 0 doctor
	said '^ok .* lacks dm-cache.ko; only a / on a cache needs that'
	: > $DIR/root-is-cached
	finds '/ is on a cache, and .* lacks dm-cache.ko' update-initramfs
	rm $DIR/root-is-cached

	# ----- the sets -----
	cp $DMCACHE_TAB $DIR/tab.good
	echo 'e nonsense' >> $DMCACHE_TAB
	run 1 doctor -q
	said "^WRONG  .*line .*origin 'nonsense' is neither.*; next: dmcachetab"
	cp $DIR/tab.good $DMCACHE_TAB
	mv $D/ssd3 $DIR/ssd3
	mv $W/sys/class/block/ssd3 $DIR/ssd3.sys
	run 1 doctor -q
	said '^WRONG  d cannot be assembled: .*; next: attach the device, then: dmcache assemble d'
	mv $DIR/ssd3 $D/ssd3
	mv $DIR/ssd3.sys $W/sys/class/block/ssd3
	dd if=$D/ssd3 of=$DIR/head bs=4096 count=2 2> /dev/null
	for s in 0 1; do
		printf X | dd of=$D/ssd3 bs=1 seek=$((s * 4096 + 30)) conv=notrunc 2> /dev/null
	done
	run 1 doctor -q
	said "^WRONG  $D/ssd3: its label is damaged; next: dmcache label $D/ssd3"
	dd if=$DIR/head of=$D/ssd3 conv=notrunc 2> /dev/null
	for x in 'rw -:ro -:metadata are read-only' 'rw -:rw needs_check:want a check' \
		'2 migration_threshold:4 cache_errors 7 migration_threshold:c: cache_errors: 7' \
		'11/2048:2000/2048:nearly full'; do
		IFS=: read -r from to text << END
$x
END
		echo "s,$from,$to," > $W/status.sed
		finds "c: .*${text#c: }" dmcache
	done
	rm $W/status.sed
	PATH=$W/bin:$PATH dmsetup suspend c
	finds 'c is suspended: all I/O to it waits' 'dmsetup resume c'
	PATH=$W/bin:$PATH dmsetup resume c
	run 0 doctor --quiet
	[ "$(cat $OUT)" = 'no problems' ] || bad "quiet, but: $(cat $OUT)"
	unset DMCACHE_ROOT
	run 0 stop c
	none
}

attach() {
	run 0 create c --origin $D/hdd --yes
	table c linear
	run 8 attach c --cache $D/ssd
	table c linear
	run 0 attach c --cache $D/ssd --yes --policy smq --set a=1
	table c 'cache .* 2 writeback metadata2 smq 2 a 1'
	label ssd state open
	label ssd dirty unknown
	line='^c PARTUUID=11111111-01'
	grep -q "$line - - -$" $DMCACHE_TAB || bad "the tab: $(cat $DMCACHE_TAB)"
	run 4 attach c --cache $D/ssd2 --yes
	# Nothing is written back: as it was before
	echo 30 > $W/dirty
	: > $W/stuck
	DMCACHE_FLUSH_IDLE=1 run 1 detach c --yes
	table c 'cache .* writeback .*smq '
	label ssd state open
	rm $W/stuck
	# The last step fails: labels and tab say again what is so
	: > $W/fail-linear
	run 1 detach c --yes
	table c 'cache .* writeback .*smq .*a 1'
	label ssd state open
	grep -q "$line - - -$" $DMCACHE_TAB || bad "the tab: $(cat $DMCACHE_TAB)"
	rm $W/fail-linear
	cp $D/ssd $DIR/old
	run 0 detach c --yes
	table c linear
	label ssd state detached
	grep -q "$line none - -$" $DMCACHE_TAB || bad "the tab: $(cat $DMCACHE_TAB)"
	[ "$(ls "$W/dm")" = c ] || bad "slices are left: $(ls "$W/dm")"
	run 0 detach c
	# The cache as it was before: a crash, or an SSD that was away. The origin went on without
	# it.
	run 0 stop c
	cp $DIR/old $D/ssd
	run 0 assemble c
	table c linear
	run 0 label --erase $D/ssd --yes
	# A copy of the cache device beside it: what the set runs on is the member. When it does not
	# run, nothing tells them apart.
	run 0 attach c --cache $D/ssd --yes
	cp $D/ssd $D/ssd2
	run 0 set c b=7
	label ssd policy_args write_allocate,25,b,7
	run 0 stop c
	said "ssd2 has a copy of the label of a member of c"
	label ssd state closed
	run 4 assemble c
	said "duplicate: the same member is on .*/ssd .*/ssd2"
	cp $D/ssd2 $DIR/copy
	run 0 label --erase $D/ssd2 --yes
	run 0 assemble c
	cp $DIR/copy $D/ssd2
	run 0 detach c --yes
	said \
		"ssd2 has a copy of the label of a member of c, and is not in use; next: dmcache label --erase $D/ssd2"
	table c linear
	label ssd state detached
	label ssd2 state open
	run 0 stop c
	run 0 assemble c
	table c linear
	run 0 label --erase $D/ssd2 --yes
	run 0 label --erase $D/ssd --yes
	# Labels that do not fit: nothing is given up, and the reason is said
	run 0 attach c --cache $D/ssd --yes
	cp $D/ssd $DIR/copy
	for s in 0 1; do
		printf X | dd of=$D/ssd bs=1 seek=$((s * 4096 + 30)) conv=notrunc 2> /dev/null
	done
	run 3 detach c --yes
	said "the labels of its members cannot be found; next: .*if the cache device is broken"
	table c ' cache '
	cp $DIR/copy $D/ssd
	echo 40000 > $W/sys/class/block/ssd/size
	run 4 detach c --yes
	said "ssd has 40000 sectors, its label says"
	table c ' cache '
	echo $((24 * 2048)) > $W/sys/class/block/ssd/size
	run 0 detach c --yes
	run 0 label --erase $D/ssd --yes
	# A policy that there is not
	run 1 attach c --cache $D/ssd --yes --policy nonesuch
	table c linear
	[ "$(ls "$W/dm")" = c ] || bad "slices are left: $(ls "$W/dm")"
	run 6 label $D/ssd
	grep -q "$line none - -$" $DMCACHE_TAB || bad "the tab: $(cat $DMCACHE_TAB)"
	run 0 attach c --cache $D/ssd2 --metadata $D/meta --yes --mode writethrough
	run 0 stop c
	label ssd2 state closed
	label meta state closed
	run 0 assemble c
	table c ' writethrough '
	run 0 detach --lost c --yes
	table c linear
	run 0 stop c
	none
	# An origin with a label
	run 0 create l --origin $D/hdd2 --cache $D/ssd3 --label-origin --yes
	run 0 detach l --yes
	table l ' linear .* 2048$'
	label hdd2 cache_member -
	run 0 stop l
	run 0 assemble l
	run 0 attach l --cache $D/ssd3 --yes
	table l ' cache '
	run 0 stop l
	run 0 assemble l
	table l ' cache '
	run 0 stop l
	none
}

# A power cut, or a reboot without a word: what runs is gone, and /run; with `wiped` the SSD too.
cut() {
	for x in c c-cmeta c-cdata c-corig; do
		[ ! -e "$W/dm/$x" ] || {
			echo 0 > "$W/dm/$x/open"
			PATH=$W/bin:$PATH dmsetup remove $x
		}
	done
	rm -rf "$DMCACHE_RUN"
	cp $D/ssd $DIR/lost
	[ -z "${1-}" ] || dd if=/dev/zero of=$D/ssd bs=4096 count=2 conv=notrunc 2> /dev/null
}
again() {
	run 0 label --erase --yes $D/ssd
	rm -rf $DMCACHE_TAB $DMCACHE_TAB.state
	run 0 create c --origin $D/hdd --cache $D/ssd --yes "$@"
}
# alone_not WHAT: without the SSD it is not assembled, and WHAT is said to be lost
alone_not() {
	for x in '' --degraded; do
		run 3 assemble $x c
		said \
			"; next: attach the device, then: dmcache assemble c; if it is gone for good: dmcache assemble --drop-cache c \\($1"
		none
	done
}
alone() {
	run 3 assemble c
	said 'or without it: dmcache assemble --degraded c \(nothing is lost'
	run 0 assemble --degraded c
	table c ' linear '
	run 0 stop c
	none
}

lost() {
	run 0 create c --origin $D/hdd --cache $D/ssd --yes
	# Dead while it ran
	cut wiped
	alone_not 'all is lost that was written since 20.* in writeback mode\)'
	run 0 assemble --drop-cache c
	said 'made from the origin alone: .*; all is lost that was written since 20'
	table c ' linear '
	grep -q '^c PARTUUID=11111111-01 none - -$' $DMCACHE_TAB ||
		bad "the tab: $(cat $DMCACHE_TAB)"
	run 0 stop c
	cp $DIR/lost $D/ssd
	run 0 assemble c
	table c ' linear '
	run 0 stop c
	# The same without a line in the tab
	again --no-tab
	cut wiped
	alone_not 'all is lost'
	run 0 assemble --drop-cache c
	grep -q '^c PARTUUID=11111111-01 none - -$' $DMCACHE_TAB ||
		bad "the tab: $(cat $DMCACHE_TAB)"
	run 0 stop c
	# Stopped with dirty blocks, and with none
	again
	echo 7 > $W/dirty
	run 0 stop c
	cut wiped
	alone_not '7 blocks, 448 KiB, are lost, which it has had alone since 20'
	cp $DIR/lost $D/ssd
	run 0 assemble c
	echo 0 > $W/dirty
	run 0 stop c
	cut wiped
	alone
	# What comes back is old, though nothing in the first MiB of the origin tells.
	cp $DIR/lost $D/ssd
	run 0 assemble c
	said 'was used without its cache; the cache starts empty'
	table c ' cache '
	# A mode in which nothing becomes dirty, and back
	run 0 set c --mode writethrough
	cut wiped
	alone
	cp $DIR/lost $D/ssd
	run 0 assemble c
	said 'starts empty'
	table c ' cache .* writethrough '
	run 0 set c --mode writeback
	cut wiped
	alone_not 'all is lost'
	again --mode writethrough
	cut wiped
	alone
	again --mode writethrough
	run 0 set c --mode writeback
	echo 9 > $W/dirty
	run 0 set c --mode writethrough
	cut wiped
	alone_not 'all is lost'
	cp $DIR/lost $D/ssd
	run 0 assemble c
	run 0 flush c
	cut wiped
	alone
	# By the tab an initramfs would take the origin alone: so it must not become dirty.
	again --mode writethrough
	sed -i 's/- - -$/- - mode=writethrough,degraded=alone/' $DMCACHE_TAB
	run 4 set c --mode writeback
	table c ' writethrough '
	run 0 stop c
	# An initramfs has an old copy. What it assembles is noted in /run, and then beside the tab.
	again
	run 0 stop c
	rm -rf "$DMCACHE_RUN"
	cp $DMCACHE_TAB.state/c $DIR/then
	mkdir -p $DIR/initramfs/conf
	: > $DIR/initramfs/conf/initramfs.conf
	export DMCACHE_ROOT=$DIR/initramfs
	cp $D/ssd $DIR/lost
	dd if=/dev/zero of=$D/ssd bs=4096 count=2 conv=notrunc 2> /dev/null
	alone_not 'nothing is lost.*as this initramfs knows it'
	cp $DIR/lost $D/ssd
	run 0 assemble c
	unset DMCACHE_ROOT
	cp $DIR/then $DMCACHE_TAB.state/c
	run 0 remember
	! grep -q '^dirty=0' $DMCACHE_TAB.state/c ||
		bad "still complete: $(cat $DMCACHE_TAB.state/c)"
	cut wiped
	alone_not 'all is lost'
	# Given up in an initramfs, whose tab is not that of the system: what comes back is refused.
	again
	cut wiped
	cp $DMCACHE_TAB $DIR/tab.system
	DMCACHE_ROOT=$DIR/initramfs run 0 assemble --drop-cache c
	cp $DIR/tab.system $DMCACHE_TAB
	run 0 stop c
	cp $DIR/lost $D/ssd
	run 4 assemble c
	said 'was used without its cache since.*; next: dmcache assemble --drop-cache c'
	run 0 assemble --drop-cache c
	table c ' cache '
	run 0 stop c
	# It cannot be written down that blocks may become dirty: none does.
	again
	run 0 stop c
	: > $W/read-only
	run 0 assemble c
	said 'state/c cannot be written: in writethrough mode this time; next'
	table c ' writethrough '
	run 1 set c --mode writeback
	table c ' writethrough '
	rm $W/read-only
	run 0 set c --mode writeback
	table c ' writeback '
	run 0 stop c
	: > $W/read-only
	run 0 assemble c
	cut wiped
	rm $W/read-only
	alone
	# Given up while it ran, another one in its place: what comes back is refused, whichever is
	# there first.
	again
	echo 's/ cache .*/ cache Fail/' > "$W/status.sed"
	run 1 status c
	said 'next .*if the cache device is broken: dmcache detach --lost c; else'
	cp $D/ssd $DIR/lost
	dd if=/dev/zero of=$D/ssd bs=4096 count=2 conv=notrunc 2> /dev/null
	run 0 detach --lost c --yes
	said 'all that was not written back yet is LOST; it is not known how much'
	rm "$W/status.sed"
	run 0 attach c --cache $D/ssd2 --yes
	cp $DIR/lost $D/ssd
	echo 6.1 > "$W/kernel"
	: > "$W/modinfo"
	DMCACHE_ROOT=$DIR/none run 1 doctor
	said "c cannot be assembled at the next boot: two sets are called c: .* on $D/ssd, and .* on $D/ssd2; next: dmcache label --erase"
	# It still is called by the set that it was made as. What runs is closed, not that one.
	run 0 stop c
	label ssd2 state closed
	cmp $D/ssd $DIR/lost || bad "the device that was given up was written to"
	run 4 assemble c
	said "two sets are called c: .* on $D/ssd, and .* on $D/ssd2; next: dmcache label --erase"
	cp $D/ssd2 $DIR/ssd2
	dd if=/dev/zero of=$D/ssd2 bs=4096 count=2 conv=notrunc 2> /dev/null
	run 4 assemble c
	said "was used with another cache since, .* so $D/ssd does not fit any more; next: attach that one; dmcache label --erase $D/ssd"
	none
	cp $DIR/ssd2 $D/ssd2
	run 0 label --erase --yes $D/ssd
	run 0 assemble c
	table c ' cache '
	# In writethrough mode, nothing is lost.
	run 0 set c --mode writethrough
	echo 's/ cache .*/ cache Fail/' > "$W/status.sed"
	run 0 detach --lost c --yes
	said 'nothing is lost: the origin has everything'
	rm "$W/status.sed"
	run 0 stop c
	run 0 label --erase --yes $D/ssd2
	# Another device, and a file that is damaged: nothing is known.
	again
	run 0 stop c
	cut wiped
	sed -i 's/^c [^ ]*/c PARTUUID=33333333-01/' $DMCACHE_TAB
	run 3 assemble --degraded c
	said 'not known to be complete'
	sed -i 's/^c [^ ]*/c PARTUUID=11111111-01/' $DMCACHE_TAB
	sed -i 's/^since=./since=4/' $DMCACHE_TAB.state/c
	run 3 assemble --degraded c
	said 'not known to be complete'
	none
	# An origin with a label
	rm -rf $DMCACHE_TAB $DMCACHE_TAB.state
	run 0 create c --origin $D/hdd2 --cache $D/ssd --label-origin --yes
	cut wiped
	alone_not 'all is lost'
	run 0 assemble --drop-cache c
	table c ' linear .* 2048$'
	run 0 stop c
	cp $DIR/lost $D/ssd
	run 0 assemble c
	table c ' linear '
	run 0 label --erase --yes $D/ssd
	run 0 attach c --cache $D/ssd --yes
	table c ' cache '
	run 0 detach c --yes
	run 0 stop c
	run 0 label --erase --yes $D/ssd
	run 0 label --erase --yes $D/hdd2
	# A set of the tab
	rm -rf $DMCACHE_TAB.state
	echo z | dd of=$D/meta2 conv=notrunc 2> /dev/null
	echo "c $D/hdd2 $D/ssd3 $D/meta2 policy=smq" > $DMCACHE_TAB
	run 0 assemble c
	cut
	mv $D/ssd3 $DIR/ssd3
	alone_not 'all is lost'
	mv $DIR/ssd3 $D/ssd3
	run 0 assemble c
	run 0 stop c
	mv $D/ssd3 $DIR/ssd3
	alone
	mv $DIR/ssd3 $D/ssd3
	run 0 assemble c
	said 'starts empty'
	[ -z "$(head -c 4096 $D/meta2 | tr -d '\\0')" ] || bad "the metadata of a cache that is old"
	run 0 stop c
	none
}

# What is special in a label, in the tab, in a table or in the shell, in the path of a device.
paths() {
	for x in ' #' "$(printf '\t*?[')" "'\"" ';$(reboot)|,' '\x20\040'; do
		o="$D/o${x}1" c="$D/c${x}1" m="$D/m${x}1"
		ln -s hdd "$o"
		ln -s ssd "$c"
		ln -s meta "$m"
		run 0 create c --origin "$o" --cache "$c" --metadata "$m" --yes
		said "$D/hdd: that is "
		grep -q '^c PARTUUID=11111111-01 - - -$' $DMCACHE_TAB ||
			bad "$x: the tab: $(cat $DMCACHE_TAB)"
		run 0 label "$c"
		said '^origin_id +PARTUUID=11111111-01'
		run 0 stop c
		run 0 assemble --device "$m"
		run 0 probe "$o"
		said '^DMCACHE_ROLE=origin$'
		run 0 detach c --yes
		run 0 attach c --cache "$c" --yes
		run 0 stop c
		run 0 label --erase "$c" --yes
		none
		rm -f $DMCACHE_TAB "$o" "$c" "$m"
		dd if=/dev/zero of=$D/ssd bs=4096 count=2 conv=notrunc 2> /dev/null
	done
	# A device of device-mapper whose name is not plain, as its node is written; with a UUID,
	# and with nothing else to name it by.
	for u in LVM-1 ''; do
		PATH=$W/bin:$PATH dmsetup create 'my\x20disk' --uuid "$u" \
			--table "0 65536 linear $D/hdd2 0"
		md5sum $D/* > $DIR/sums
		if [ -n "$u" ]; then
			run 0 create c --origin "$W/mapper/my\\x20disk" --cache $D/ssd --yes
			grep -q '^c DMUUID=LVM-1 - - -$' $DMCACHE_TAB ||
				bad "the tab: $(cat $DMCACHE_TAB)"
			run 0 stop c
			run 0 assemble c
			run 0 stop c
			run 0 label --erase $D/ssd --yes
			rm $DMCACHE_TAB
		else
			run 4 create c --origin "$W/mapper/my\\x20disk" --cache $D/ssd --yes
			said 'has no serial number, UUID or plain name.*; next: '
			md5sum $D/* | cmp -s - $DIR/sums || bad "something was written"
			[ ! -e $DMCACHE_TAB ] || bad "the tab: $(cat $DMCACHE_TAB)"
		fi
		PATH=$W/bin:$PATH dmsetup remove 'my\x20disk'
	done
	# The tab, as fstab has it
	ln -s hdd "$D/a b"
	printf '%s\n' 'PARTLABEL=Linux filesystem' >> $W/ids/hdd
	for x in "$D/a\\040b" 'PARTLABEL=Linux\040filesystem'; do
		printf '%s\n' "c $x none - -" > $DMCACHE_TAB
		run 0 assemble c
		table c linear
		run 0 attach c --cache $D/ssd --yes
		grep -qF "c $x - - -" $DMCACHE_TAB || bad "the tab: $(cat $DMCACHE_TAB)"
		run 0 detach c --yes
		grep -qF "c $x none - -" $DMCACHE_TAB || bad "the tab: $(cat $DMCACHE_TAB)"
		run 0 stop c
		run 0 label --erase $D/ssd --yes
	done
	ID_PART_ENTRY_NAME='Linux\x20filesystem' DEVLINKS=x run 0 probe $D/hdd
	said '^DMCACHE_ROLE=origin$'
	# What a label cannot hold
	for x in a==b A=1 'a=b c' "a=$(printf '%0300d' 1)"; do
		run 2 create d --origin $D/hdd2 --cache $D/ssd3 --set "$x" --yes
	done
	none
}

refuse() {
	run 0 create c --origin $D/hdd --cache $D/ssd2 --metadata $D/meta --yes
	run 0 stop c
	none
	# ----- changed, stale, swapped, missing, duplicated -----
	echo x | dd of=$D/hdd conv=notrunc 2> /dev/null
	run 0 assemble c
	said 'starts empty'
	echo 7 > $W/dirty
	run 0 stop c
	said '7 blocks are only in the cache'
	echo y | dd of=$D/hdd conv=notrunc 2> /dev/null
	run 4 assemble c
	said 'which holds 7 blocks'
	none
	echo x | dd of=$D/hdd conv=notrunc 2> /dev/null
	cp $D/ssd2 $DIR/old
	run 0 assemble c
	run 0 stop c
	cp $D/ssd2 $DIR/new
	cp $DIR/old $D/ssd2
	run 4 assemble c
	said 'ssd2 is stale'
	cp $DIR/new $D/ssd
	run 4 assemble c
	said duplicate
	cp $DIR/new $D/ssd2
	run 4 assemble c
	said duplicate
	run 0 label --erase $D/ssd2 --yes
	run 0 assemble c
	run 0 stop c
	mv $W/sys/class/block/meta $W/meta.away
	run 3 assemble c
	said 'metadata member is missing'
	mv $W/meta.away $W/sys/class/block/meta
	# It goes while it is looked at.
	echo 0 > $W/sys/class/block/hdd/size
	run 3 assemble c
	said 'the origin .* is missing: .*/hdd has just gone; next: attach the device'
	echo $((64 * 2048)) > $W/sys/class/block/hdd/size
	none
	# A step that fails: what was done is undone, the label says closed
	: > $W/fail-c-cdata
	run 1 assemble c
	none
	label ssd state closed
	rm $W/fail-c-cdata
	echo 'quiet dmcache.assemble=off' > $W/proc/cmdline
	run 9 assemble c
	run 0 assemble c --force
	run 0 stop c
	echo quiet > $W/proc/cmdline

	# A copy of the origin, which only the UUID of its file system names: nothing is written
	fake_device whole 32
	fake_device copy 32
	echo UUID=1-2 | tee $W/ids/copy > $W/ids/whole
	run 4 create w --origin $D/whole --cache $D/ssd3 --yes
	said "copy has the same UUID=1-2 as the origin, .*whole; next: take the copy away, or"
	run 6 label $D/ssd3
	echo naa.1 > $W/sys/class/block/whole/wwid
	run 0 create w --origin $D/whole --cache $D/ssd3 --yes
	said "use .*mapper/w from now on"
	run 0 stop w
	run 0 label --erase $D/ssd3 --yes
	sed -i '/^w /d' $DMCACHE_TAB

	# A set of the tab, beside one with labels
	echo z | dd of=$D/meta2 conv=notrunc 2> /dev/null
	echo "t $D/hdd2 $D/ssd3 $D/meta2 policy=smq,block-size=256K" >> $DMCACHE_TAB
	run 0 assemble t
	table t 'cache .* 512 .* smq 0'
	run 0 stop t
	none

	# ----- probe -----
	run 0 probe $D/ssd
	said '^DMCACHE_ROLE=cache$'
	said '^DMCACHE_CLEAN=0$'
	run 0 probe $D/hdd
	said '^DMCACHE_ROLE=origin$'
}

begin
$4

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2086 # $SH may be two words
#
# origin.sh - sourced by commands.sh: an origin that only the UUID of its file system names, as an
# array of md, and gets a new file system.

# mkfs UUID: through the set; the superblock is on the origin
mkfs() { echo "UUID=$1" > "$W/ids/md"; }
tab_says() { grep -qx "$1" "$DMCACHE_TAB" || bad "the tab: not '$1' but $(cat "$DMCACHE_TAB")"; }
# renewed UUID: label and tab name it, and it is hidden
renewed() {
	label ssd origin_id "UUID=$1"
	tab_says "c UUID=$1 - - -"
	grep -qx "id=UUID=$1" "$DMCACHE_TAB.state/c" || bad "known: $(cat "$DMCACHE_TAB.state/c")"
	run 0 probe $D/md
	said '^DMCACHE_ROLE=origin$'
	said '^DMCACHE_NAME=c$'
}

origin() {
	fake_device md 32
	mkfs A
	run 0 create c --origin $D/md --cache $D/ssd --yes
	said 'known by UUID=A only\. After mkfs'
	said 'dmcache flush c'
	renewed A

	# ----- stop: that is how the next assembly finds it -----
	mkfs B
	run 0 list
	said "^c +running .* on $D/md"
	run 0 stop c
	said 'the origin is complete'
	renewed B
	label ssd state closed
	[ ! -e "$DMCACHE_RUN/origin/UUID=A" ] || bad "what has UUID=A is still taken for the origin"
	run 0 assemble c
	table c ' cache '

	# ----- what is done to one that runs -----
	mkfs C
	run 0 flush c
	renewed C
	label ssd state open
	mkfs D
	run 0 set c a=1
	renewed D
	label ssd policy_args write_allocate,25,a,1
	mkfs E
	echo $((40 * 2048)) > $W/sys/class/block/md/size
	run 0 resize c
	renewed E
	label ssd origin_size $((40 * 2048))
	mkfs F
	run 0 detach c --yes
	table c linear
	tab_says 'c UUID=F none - -'
	label ssd state detached
	mkfs G
	run 0 attach c --cache $D/ssd --yes
	renewed G
	# Its old UUID is on another disk now: what runs is the origin.
	mkfs H
	echo UUID=G > $W/ids/hdd2
	run 0 stop c
	renewed H
	run 0 assemble c
	table c " $(cat $W/sys/class/block/md/dev) "
	: > $W/ids/hdd2
	# Dirty blocks, and a second member
	run 0 detach c --yes
	run 0 label --erase $D/ssd --yes
	run 0 attach c --cache $D/ssd --metadata $D/meta --yes
	mkfs I
	echo 7 > $W/dirty
	run 0 stop c
	said '7 blocks are only in the cache'
	renewed I
	label meta origin_id UUID=I
	echo 0 > $W/dirty
	run 0 assemble c

	# Without its cache, which is given up
	run 0 stop c
	cut wiped
	run 0 assemble --degraded c
	table c linear
	mkfs P
	run 0 detach c --yes
	tab_says 'c UUID=P none - -'
	run 0 label --erase $D/meta --yes
	run 0 attach c --cache $D/ssd --metadata $D/meta --yes
	renewed P

	# ----- doctor says it, and what to do -----
	mkfs J
	echo 6.1 > "$W/kernel"
	: > "$W/modinfo"
	DMCACHE_ROOT=$DIR/none run 1 doctor
	said "c cannot be assembled at the next boot: $D/md is .*UUID=J now; next: dmcache flush c"
	run 0 flush c
	renewed J

	# ----- a crash first: the device is given -----
	mkfs K
	cut
	run 3 assemble c
	said "UUID=J\) is missing; next: .*: dmcache assemble --origin DEVICE c"
	run 2 assemble --origin $D/md --all
	run 2 assemble --origin $D/md c d
	run 4 assemble --origin $D/ssd c
	said 'has a label of dmcache'
	run 4 assemble --origin $D/hdd c
	said 'hdd has .* sectors, the origin of c had'
	none
	run 0 assemble --origin $D/md c
	table c ' cache '
	renewed K
	run 0 stop c
	run 4 assemble --origin $D/hdd c
	said "its origin \(UUID=K\) is there: $D/md, not $D/hdd"
	none

	# ----- a line that names another device was meant so -----
	run 0 assemble c
	echo UUID=Z > $W/ids/hdd
	sed -i 's/^c [^ ]*/c UUID=Z/' $DMCACHE_TAB
	run 0 flush c
	tab_says 'c UUID=Z - - -'
	run 0 stop c
	run 0 label --erase $D/ssd --yes
	run 0 label --erase $D/meta --yes

	# ----- without a cache, and a set of the tab -----
	rm -rf $DMCACHE_TAB $DMCACHE_TAB.state
	mkfs L
	run 0 create c --origin $D/md --yes
	said 'dmcache stop c, which notes the new one'
	mkfs M
	run 0 stop c
	tab_says 'c UUID=M none - -'
	run 0 assemble c
	mkfs N
	cut
	run 3 assemble c
	run 0 assemble --origin $D/md c
	tab_says 'c UUID=N none - -'
	run 0 stop c
	echo z | dd of=$D/meta2 conv=notrunc 2> /dev/null
	echo "c LABEL=old $D/ssd3 $D/meta2 policy=smq" > $DMCACHE_TAB
	echo LABEL=old >> $W/ids/md
	run 0 assemble c
	table c ' cache '
	mkfs O
	run 0 stop c
	tab_says "c UUID=O $D/ssd3 $D/meta2 policy=smq"
	run 0 assemble c
	table c ' cache '
	run 0 stop c
	none
}

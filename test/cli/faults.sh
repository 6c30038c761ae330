# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2086,SC2154 # W, D, OUT, SH and the like are of commands.sh
#
# faults.sh - devices, files and names that are not as one may think. Sourced by commands.sh.

# repair_stops HOW: dmcache repair c, whose write over the old metadata fails, or is hit by a signal
repair_stops() {
	k=0
	while :; do
		k=$((k + 1))
		rm -rf "$W/steps"
		mkdir "$W/steps"
		echo 0 > "$W/steps/count"
		echo $k > "$W/steps/fail"
		: > "$W/steps/$1"
		PATH=$W/bin:$PATH setsid -w $SH "$HERE/../../scripts/dmcache" repair --yes c \
			> $OUT 2>&1 < /dev/null
		[ -e "$W/steps/failed" ] || bad "no write over the old metadata"
		[ "$(cat "$W/steps/failed")" != "dd $W/mapper/c-cmeta" ] || break
	done
	rm -r "$W/steps"
}

faults() {
	# ----- files that cannot be opened: that is said -----
	mkdir -p "$DMCACHE_RUN/lock"
	run 1 stop c
	said 'run/lock cannot be opened'
	rmdir "$DMCACHE_RUN/lock"

	# ----- the tab: a last line without its end -----
	printf 'c %s none - -' "$D/hdd" > $DMCACHE_TAB
	run 0 assemble c
	table c linear
	run 0 probe $D/hdd
	said '^DMCACHE_ROLE=origin$'
	run 0 stop c
	run 0 list
	said '^c +stopped'
	printf 'x nonsense' > $DMCACHE_TAB
	run 2 assemble c
	said 'line 1: origin'

	# ----- a name that ends as that of a slice does, nearly -----
	echo z | dd of=$D/meta2 conv=notrunc 2> /dev/null
	echo "my-cache $D/hdd2 $D/ssd3 $D/meta2 policy=smq" > $DMCACHE_TAB
	run 0 assemble my-cache
	run 0 assemble my-cache
	said 'already there'
	run 0 status my-cache
	said 'dirty'
	run 0 stop my-cache
	none
	rm $DMCACHE_TAB
	run 2 create c-ctest --origin $D/hdd --yes

	# ----- what is on a device -----
	echo several >> $W/ids/ssd
	run 4 create c --origin $D/hdd --cache $D/ssd --yes
	said "the cache device $D/ssd holds several signatures \\(wipefs $D/ssd lists them\\), which"
	run 0 create c --origin $D/ssd --dry-run
	said "ssd: several signatures .* on it stays as it is"
	run 0 create c --origin $D/hdd --cache $D/ssd --wipe --dry-run
	: > $W/ids/ssd
	mv $D/ssd $DIR/ssd
	mkdir $D/ssd
	run 4 create c --origin $D/hdd --cache $D/ssd --yes
	said "the cache device $D/ssd holds what cannot be read, which would be overwritten"
	rmdir $D/ssd
	mv $DIR/ssd $D/ssd

	# ----- a disk, and its own partition -----
	fake_device disk 24
	fake_device disk1 16 44444444-01
	ln -s ../disk1 $W/sys/class/block/disk/disk1
	echo whole > $D/disk
	echo part > $D/disk1
	for x in 'disk1 disk' 'disk disk1'; do
		run 5 create c --origin $D/${x% *} --cache $D/${x#* } --yes
		said "^dmcache: $D/${x#* }: .*busy; next: lsblk"
		none
		[ "$(cat $D/disk $D/disk1)" = "whole${NL}part" ] || bad "$x: it was written to"
		[ ! -e $DMCACHE_TAB ] || bad "$x: the tab: $(cat $DMCACHE_TAB)"
	done

	# ----- the cache is dropped: how much is lost is said -----
	run 0 create c --origin $D/hdd --cache $D/ssd --yes
	run 0 stop c
	run 0 assemble --drop-cache c
	said 'c: the cache starts empty: nothing is lost'
	echo 7 > $W/dirty
	run 0 stop c
	run 0 assemble --drop-cache c
	said 'c: the cache starts empty: 7 blocks, 448 KiB, are lost, which it has had alone since'
	echo 7 > $W/dirty
	run 0 stop c
	rm -r $DMCACHE_TAB.state "$DMCACHE_RUN/known"
	run 0 assemble --drop-cache c
	said 'the cache starts empty: what only it has is lost, and it is not known how much'
	echo 0 > $W/dirty
	run 0 stop c

	# ----- repair: the only whole metadata is not removed -----
	echo mended > $W/superblock
	repair_stops once
	said 'ssd cannot be written; the repaired metadata is in .*; next: .*dd if=.* seek=2048 '
	f=$(sed -n 's/.* is in \(.*\); next:.*/\1/p' $OUT)
	cmp -s "$f" $W/superblock || bad "the repaired metadata are gone: $(cat $OUT)"
	none
	rm "$f"
	repair_stops signal
	said 'c: repaired; next'
	[ -z "$(ls $DIR/dmcache.* 2> /dev/null)" ] || bad "$(ls $DIR/dmcache.*) is left"
	none
}

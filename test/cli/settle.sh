# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2154 # W, D, OUT and what it calls are those of commands.sh
#
# settle.sh - partial blocks: settle, stop, status, and a dm-cache that has none. Sourced by
# commands.sh.

# settle_program STATUS LINE: what the program behind dmcache settle is made to say
settle_program() {
	printf '#!/bin/sh\necho "$@" > %s\nexec 9>&-\necho changed > %s\necho "%s"\nexit %s\n' \
		"$W/settled" "$D/hdd" "$2" "$1" > $W/bin/settle
	chmod +x $W/bin/settle
}

# json_partial SECONDS: what status --json says of them
json_partial() {
	run 0 status --json c
	python3 - $OUT "$1" << 'END' || bad "json: $(cat $OUT)"
import json, sys
a, = json.load(open(sys.argv[1]))
sys.exit(a["partial"] != dict(blocks=40, drain_seconds=eval(sys.argv[2]), limit_percent=25,
                              allocated=50, filled=7, dropped=3,
                              refused=dict(no_room=2, no_free=0, unaligned=1, no_metadata=0,
                                           not_wanted=0)))
END
}

settle() {
	export DMCACHE_SETTLE=$W/bin/settle DMCACHE_DUMP=$W/bin/dump
	printf '#!/bin/sh\necho "dumped $*"\nexit $(cat %s)\n' "$W/dump-status" > $W/bin/dump
	chmod +x $W/bin/dump
	echo 0 > "$W/dump-status"
	settle_program 0 'partial 5 settled 5 dirty 3 sectors 64 block 128'
	run 0 create c --origin $D/hdd --cache $D/ssd --yes
	run 5 settle c
	said 'c is running; next: dmcache stop c'
	run 5 dump c
	echo 7 > $W/dirty
	run 0 stop c
	label ssd dirty 7
	[ ! -e "$W/settled" ] || bad "a set that runs was settled"
	run 0 settle c
	said 'c: it has no partial blocks'
	[ ! -e "$W/settled" ] || bad "without partial blocks it was settled"

	# The bit alone is no metadata.
	head -c 255 /dev/zero > $W/superblock
	printf '\200' >> $W/superblock
	run 0 check c
	{
		head -c 32 /dev/zero
		printf '\003\304\030\000\000\000\000\000'
		head -c 215 /dev/zero
		printf '\200'
	} > $W/superblock
	run 4 check c
	said 'has partial blocks, which cache_check does not know; next: dmcache settle c'
	run 4 repair c --yes
	said 'which cache_repair does not know'
	run 0 dump c
	said "^dumped $W/mapper/c-cmeta\$"
	none
	echo 1 > "$W/dump-status"
	run 4 dump c
	said 'its metadata on .* is damaged; next: dmcache check c'
	none
	# The label must not say what the origin was like: it would be refused at the next assembly.
	crc() { dd if=$D/ssd bs=4096 count=2 2> /dev/null | tr '\0' '\n' | grep -c 'origin_crc=-'; }
	[ "$(crc)" = 1 ] || bad "the labels of a set that was stopped"
	# Metadata that cannot be read: repair sends here, so the way on is told here.
	sum=$(dd if=$D/ssd bs=4096 count=2 2> /dev/null | tr '\0' '\n' |
		sed -n 's/^origin_crc=\([^-]\)/\1/p')
	settle_program 1 'partial 0 settled 0 dirty 0 sectors 0 block 128'
	sed -i '/echo changed/d' $W/bin/settle
	run 4 settle c
	said 'its partial blocks cannot be found, and nothing was changed; next: mend .*drop-cache c'
	label ssd origin_crc "$sum"
	settle_program 1 'partial 5 settled 2 dirty 3 sectors 24 block 128'
	run 1 settle c
	said 'c: 3 partial blocks stay as they were; next: mend'
	label ssd origin_crc -
	label ssd state closed
	settle_program 5 ''
	run 5 settle c
	settle_program 0 'partial 3 settled 3 dirty 3 sectors 64 block 128'
	run 0 settle c
	said 'c: 3 partial blocks, 32 KiB, are on the origin now'
	said 'whole blocks that count as dirty stay in the cache: 3, 192 KiB'
	label ssd dirty 3
	grep -q "^$W/mapper/c-cmeta $W/mapper/c-cdata $D/hdd\$" "$W/settled" ||
		bad "settled: $(cat "$W/settled")"
	none
	run 0 assemble c
	echo 0 > $W/dirty
	run 0 stop c
	none
	run 0 status c
	said 'nothing would be lost'

	# stop: what is partial goes, and is not dirty any more; with --keep-partial it stays
	settle_program 0 'partial 4 settled 4 dirty 3 sectors 32 block 128'
	run 0 assemble c
	echo 9 > $W/dirty
	run 0 stop --keep-partial c
	said 'stopped; 9 blocks are only in the cache$'
	label ssd dirty 9
	run 0 assemble c
	run 0 stop c
	said 'stopped; 5 blocks are only in the cache$'
	label ssd dirty 5
	settle_program 1 'partial 4 settled 1 dirty 3 sectors 8 block 128'
	run 0 assemble c
	run 0 stop c
	said 'its partial blocks stay; next: dmcache settle c'
	said 'only this dm-cache opens it'
	label ssd state closed
	label ssd dirty 9
	none

	# status, and what a dm-cache without the tunable does with it
	run 0 assemble c
	run 0 status c
	! grep -q partial $OUT || bad "status without partial blocks: $(cat $OUT)"
	echo 's/ 2 migration_threshold 2048/ 16 write_allocate 25 partial_blocks 40 partial_allocated 50 partial_filled 7 partial_dropped 3 partial_no_room 2 partial_unaligned 1 migration_threshold 2048/' \
		> $W/status.sed
	echo '1000 0 8 9 1000 0 8 9 0 5000 18' > $W/sys/class/block/hdd/stat
	run 0 status c
	said '^  partial .* 13.8 %  40 blocks, at most 25 %$'
	said '^  +time to write them back: about 1 s$'
	said '50 made for writes, 7 filled, 3 written back'
	said 'refused: 2 as many as may be, 1 not whole 4 KiB$'
	json_partial 1
	# The origin may not count, or not have done anything.
	for x in '0 0 0 0 0 0 0 0 0 0 0' '1000 0 8 9 1000 0 8 9 0 0 18' '1 2 3' ''; do
		rm -f $W/sys/class/block/hdd/stat
		[ -z "$x" ] || echo "$x" > $W/sys/class/block/hdd/stat
		run 0 status c
		said '^  +time to write them back: unknown$'
		json_partial None
	done
	rm $W/status.sed
	run 0 status --json c
	grep -q '"partial":{"blocks":0,"drain_seconds":0,"limit_percent":0,' $OUT ||
		bad "json without partial blocks: $(cat $OUT)"
	run 0 set c smq=1
	run 0 stop --keep-partial c
	none

	# create and attach switch it on in writeback mode, unless told otherwise, and say so
	run 0 create d --origin $D/hdd2 --cache $D/ssd3 --yes --set a=1
	said 'mode writeback, policy default, write_allocate 25 a 1$'
	said 'After a crash, only this module'
	said 'write_allocate 25 is refused by the dm-cache that is loaded: off'
	table d ' default 2 a 1$'
	label ssd3 policy_args write_allocate,25,a,1
	run 0 stop d
	: > $W/allocates
	run 0 assemble d
	grep -qx 'write_allocate 25' $W/dm/d/messages || bad "write_allocate was not told"
	# It stays, and does nothing, in another mode.
	echo 's/ 2 migration_threshold 2048/ 4 write_allocate 25 migration_threshold 2048/' \
		> $W/status.sed
	run 0 set d --mode writethrough
	table d ' writethrough default 6 .*write_allocate 25'
	label ssd3 policy_args write_allocate,25,a,1
	rm $W/status.sed
	run 0 detach d --yes
	for x in 0:0 '0 --set write_allocate=30':30; do
		run 0 attach d --cache $D/ssd3 --wipe --yes --set write_allocate=${x%:*}
		[ ${x#*:} = 0 ] || said 'After a crash, only this module'
		! grep -q 'After a crash' $OUT || [ ${x#*:} != 0 ] ||
			bad "switched off, and spoken of: $(cat $OUT)"
		case $(cat $W/dm/d/messages 2> /dev/null):$x in
		:0:0 | "write_allocate 30:"*) ;;
		*) bad "attach with write_allocate=$x told: $(cat $W/dm/d/messages)" ;;
		esac
		table d ' default 0$'
		run 0 detach d --yes
	done
	run 0 attach d --cache $D/ssd3 --yes --mode writethrough
	! grep -q write_allocate $OUT || bad "in writethrough mode: $(cat $OUT)"
	label ssd3 policy_args -
	run 0 detach d --yes
	run 0 attach d --cache $D/ssd3 --yes
	said 'After a crash, only this module'
	label ssd3 policy_args write_allocate,25
	grep -qx 'write_allocate 25' $W/dm/d/messages || bad "write_allocate was not told"

	# A dm-cache that refuses partial blocks: they are written back, and it takes the rest.
	run 0 stop --keep-partial d
	: > $W/refuse-cache
	printf '#!/bin/sh\nrm %s\necho partial 2 settled 2 dirty 0 sectors 32 block 128\n' \
		$W/refuse-cache > $W/bin/settle
	run 0 assemble d
	said 'd: 2 partial blocks, 16 KiB, are on the origin now'
	said 'd: assembled: writeback'
	run 0 stop --keep-partial d
	settle_program 1 'partial 2 settled 1 dirty 3 sectors 8 block 128'
	: > $W/refuse-cache
	run 1 assemble d
	said 'the kernel refuses the cache: Invalid argument; next: dmcache settle d'
	none
	# This project's own has another reason.
	settle_program 0 'partial 2 settled 2 dirty 0 sectors 32 block 128'
	rm -f $W/settled
	mkdir -p $W/sys/module/dm_cache_persistent_data
	run 1 assemble d
	said 'the kernel refuses the cache: Invalid argument; next: dmcache settle d'
	[ ! -e $W/settled ] || bad "settled, though it was not for its partial blocks"
	rm -r $W/sys/module/dm_cache_persistent_data $W/refuse-cache
	run 0 assemble d
	run 0 detach d --yes
	run 0 stop d
	run 0 label --erase $D/ssd3 --yes
	none

	# By its devices
	settle_program 0 'partial 3 settled 3 dirty 0 sectors 64 block 128'
	run 2 settle
	run 2 settle c d
	said "settle: one name, not 'c' and 'd'; next: dmcache settle --help"
	run 2 settle c --origin $D/hdd
	run 2 settle --metadata $D/meta2 --cache $D/ssd3
	run 4 settle --metadata $D/meta2 --cache $D/ssd --origin $D/hdd2
	said "ssd has a label of the set c; next: dmcache settle c"
	run 0 settle --metadata $D/meta2 --cache $D/ssd3 --origin $D/hdd2
	grep -q "^$D/meta2 $D/ssd3 $D/hdd2\$" "$W/settled" || bad "settled: $(cat "$W/settled")"
	run 6 settle nonesuch
	chmod -x $W/bin/settle
	unset DMCACHE_SETTLE DMCACHE_DUMP
	none
}

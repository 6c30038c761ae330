# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The body of lvm-cachevol.sh and lvm-cachevol-all.sh, for lvm2 of $DEBIANS in $MODES.

. /job/lib-lvm.sh
nb slow 64 0
nb fast 64 0
noise /tmp/first 16
LV=/dev/mapper/vg-data

for debian in $DEBIANS; do
	lvm_use $debian /dev/slow /dev/fast
	cp /tmp/first /tmp/now
	quietly vgcreate -y -s 1m vg /dev/slow /dev/fast
	quietly lvcreate -y -L 16m -n data vg /dev/slow
	put /tmp/now $LV
	for mode in $MODES; do
		quietly lvcreate -y -L 16m -n fast vg /dev/fast
		quietly lvconvert -y --type cache --cachevol fast --chunksize 64k \
			--cachemode $mode vg/data
		ours_is_loaded
		assert_match " $(st_line vg-data) " " $mode " "mode"
		same /tmp/now $LV "data when the cache joins ($mode)"
		warm_lv $LV 16
		dmsetup message vg-data 0 migration_threshold 0 \
			# nothing is cleaned or promoted while the test looks
		scribble /tmp/now $LV 1
		same /tmp/now $LV "data, written through the cache ($mode)"
		lvs_agrees vg/data
		case $mode in
		writeback) assert_num "$(st_dirty vg-data)" -gt 0 "dirty blocks in writeback" ;;
		writethrough)
			assert_num "$(st_dirty vg-data)" -eq 0 "dirty blocks in writethrough"
			;;
		esac
		dmsetup suspend vg-data
		check_suspended /dev/mapper/vg-fast_cvol-cmeta
		before=$(st_used vg-data)
		dmsetup resume vg-data
		quietly vgchange -an vg
		quietly vgchange -ay vg
		assert_eq "$(st_used vg-data)" "$before" "cached blocks after vgchange -an and -ay"
		same /tmp/now $LV "data after vgchange -an and -ay ($mode)"
		scribble /tmp/now $LV 2
		if [ $mode = writeback ]; then
			quietly lvconvert -y --splitcache vg/data
			same /tmp/now $LV "data after --splitcache"
			quietly lvconvert -y --type cache --cachevol fast --chunksize 64k \
				--cachemode $mode vg/data
			scribble /tmp/now $LV 3
		fi
		quietly lvconvert -y --uncache vg/data
		same /tmp/now $LV "data after --uncache ($mode)"
		assert_eq "$(dmsetup ls --target cache | grep -c '^vg' || :)" 0 \
			"caches after --uncache"
	done
	quietly lvm vgremove -y vg
	quietly lvm pvremove -y /dev/slow /dev/fast
done

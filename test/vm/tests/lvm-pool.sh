# SPDX-License-Identifier: GPL-2.0-only
# what: lvm2 of Debian 12 and 13: a cache pool made, joined, changed, split, restarted, removed; lvs
#       is right, data is right
# long: a minute or two a version of lvm2
# timeout: 400

. /job/lib-lvm.sh
nb slow 112 0
nb fast 64 0
noise /tmp/first 24
noise /tmp/other 4
LV=/dev/mapper/vg-data

for debian in 12 13; do
	lvm_use $debian /dev/slow /dev/fast
	note "Debian $debian: $(lvm version | sed -n 's/^ *LVM version: *//p')"
	cp /tmp/first /tmp/now
	quietly vgcreate -y -s 1m vg /dev/slow /dev/fast
	quietly lvcreate -y -L 24m -n data vg /dev/slow
	quietly lvcreate -y -L 8m -n other vg /dev/slow
	put /tmp/now $LV
	put /tmp/other /dev/mapper/vg-other
	quietly lvcreate -y -s -L 8m -n othersnap vg/other
	cp /tmp/other /tmp/others

	# A pool, joined to a volume that holds data.
	quietly lvcreate -y --type cache-pool --chunksize 64k --cachemode writeback -L 12m \
		-n pool vg /dev/fast
	quietly lvconvert -y --type cache --cachepool vg/pool vg/data
	ours_is_loaded
	same /tmp/now $LV "data when the pool is joined"
	assert_eq "$(st_total vg-data)" 192 "cache blocks"
	warm_lv $LV 24
	scribble /tmp/now $LV 1
	same /tmp/now $LV "data, written through the cache"
	lvs_agrees vg/data
	assert_num "$(lv vg/data cache_used_blocks)" -gt 20 "cached blocks, as lvs says"
	assert_num "$(lv vg/data cache_read_misses)" -gt 0 "read misses, as lvs says"

	# Taken down and up: as it was. Nothing is copied while the test looks.
	dmsetup message vg-data 0 migration_threshold 0
	dmsetup suspend vg-data
	before="$(st_used vg-data) $(st_dirty vg-data)"
	dmsetup resume vg-data
	quietly vgchange -an vg
	quietly lvchange -y -ay vg/pool_cpool_cmeta
	check_metadata /dev/mapper/vg-pool_cpool_cmeta
	quietly lvchange -an vg/pool_cpool_cmeta
	quietly vgchange -ay vg
	assert_eq "$(st_used vg-data)" "${before% *}" "cached blocks after vgchange -an and -ay"
	same /tmp/now $LV "data after vgchange -an and -ay"

	# Modes and policies of the live cache.
	for change in "--cachemode writethrough" "--cachepolicy cleaner" "--cachepolicy smq" \
		"--cachepolicy mq" \
		"--cachesettings migration_threshold=4096" "--cachemode passthrough" \
		"--cachemode writeback"; do
		# shellcheck disable=SC2086 # two words
		quietly lvchange -y $change vg/data
		scribble /tmp/now $LV ${#change}
		same /tmp/now $LV "data after lvchange $change"
		lvs_agrees vg/data
		case $change in
		*mode*)
			assert_match " $(st_line vg-data) " " ${change#* } " \
				"the mode in the status line after lvchange $change"
			;;
		*policy*)
			# An alias of smq to lvm, as it is in the kernel's own.
			assert_match "$(st_policy vg-data)" "^(${change#* }|smq)\$" \
				"the policy in the status line after lvchange $change"
			;;
		*) assert_match "$(st_line vg-data)" 'migration_threshold 4096' \
			"the status line after lvchange $change" ;;
		esac
	done

	# Split: the pool goes, the volume has everything. Then once more, to take it away for good.
	quietly lvconvert -y --splitcache vg/data
	assert_eq "$(dmsetup ls --target cache | grep -c data || :)" 0 "caches after --splitcache"
	same /tmp/now $LV "data after --splitcache"
	quietly lvconvert -y --type cache --cachepool vg/pool --cachemode writeback vg/data
	scribble /tmp/now $LV 99
	same /tmp/now $LV "data, joined again"
	quietly lvconvert -y --uncache vg/data
	same /tmp/now $LV "data after --uncache"
	assert_eq "$(lv vg lv_name | grep -c pool || :)" 0 "pools after --uncache"
	# In one step.
	quietly lvcreate -y --type cache --chunksize 64k --cachemode writeback -L 12m \
		-n fastpool vg/data /dev/fast
	scribble /tmp/now $LV 98
	same /tmp/now $LV "data behind a cache that lvcreate made"

	# The volume group's other volumes never noticed.
	same /tmp/other /dev/mapper/vg-other "another volume"
	scribble /tmp/other /dev/mapper/vg-other 5
	quietly lvremove -y vg/data
	same /tmp/other /dev/mapper/vg-other "another volume at last"
	same /tmp/others /dev/mapper/vg-othersnap "its snapshot"
	quietly lvm vgremove -y vg
	quietly lvm pvremove -y /dev/slow /dev/fast
done

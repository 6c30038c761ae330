# SPDX-License-Identifier: GPL-2.0-only
# what: lvm2 of Debian 12 and 13: --cachepolicy and --cachesettings, at creation and later; what lvs
#       shows; format 1 and 2
# long: a minute or two a version of lvm2
# timeout: 400

. /job/lib-lvm.sh
nb slow 48 0
nb fast 48 0
noise /tmp/now 12
LV=/dev/mapper/vg-data
setting() { st_line vg-data | tr ' ' '\n' | grep -A1 -x "$1" | tail -n 1; }

for debian in 12 13; do
	lvm_use $debian /dev/slow /dev/fast
	quietly vgcreate -y -s 1m vg /dev/slow /dev/fast
	quietly lvcreate -y -L 12m -n data vg /dev/slow
	put /tmp/now $LV
	for t in "smq 2 migration_threshold=1024" "mq 1 migration_threshold=1536" \
		"cleaner 2 migration_threshold=4096"; do
		# shellcheck disable=SC2086 # words
		set -- $t
		quietly lvcreate -y --type cache-pool --chunksize 64k --cachemode writeback \
			--cachemetadataformat $2 -L 8m -n pool vg /dev/fast
		quietly lvconvert -y --type cache --cachepool vg/pool --cachepolicy $1 \
			--cachesettings "$3" vg/data
		# mq is an alias of smq to lvm, since a version of the target that we have too.
		case $1 in mq) assert_match "$(st_policy vg-data)" '^s?mq$' "policy" ;; *) \
			assert_eq "$(st_policy vg-data)" $1 "policy" ;; esac
		assert_eq "$(setting migration_threshold)" "${3#*=}" \
			"migration_threshold in the status line"
		assert_match "$(lv vg/data kernel_cache_settings)" "migration_threshold=${3#*=}" \
			"settings that lvs shows"
		lvs_agrees vg/data
		assert_eq "$(lv vg/data kernel_metadata_format)" "$2" "metadata format"
		scribble /tmp/now $LV $2
		same /tmp/now $LV "data with $t"
		quietly lvchange -y --cachesettings migration_threshold=2560 vg/data
		assert_eq "$(setting migration_threshold)" 2560 "migration_threshold, changed"
		for p in cleaner smq; do
			quietly lvchange -y --cachepolicy $p vg/data
			assert_eq "$(st_policy vg-data)" $p "policy, changed"
			assert_eq "$(lv vg/data kernel_cache_policy)" $p \
				"policy, changed, as lvs shows it"
			if [ $p = cleaner ]; then wait_for '[ $(st_dirty vg-data) = 0 ]' 30; fi
			scribble /tmp/now $LV 7
		done
		same /tmp/now $LV "data after changes"
		quietly lvconvert -y --uncache vg/data
		same /tmp/now $LV "data after --uncache"
	done
	quietly lvm vgremove -y vg
	quietly lvm pvremove -y /dev/slow /dev/fast
done

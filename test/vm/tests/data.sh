# SPDX-License-Identifier: GPL-2.0-only
# what: fio verify with mixed sizes, both formats, through writeback, writethrough, passthrough and
#       back
# kernels-differ: how bios are split and remapped
# timeout: 240

. /job/lib-cache.sh
devices 8 8 32

# verify OPTIONS: the whole of the device, each byte once, by two jobs
load() {
	quiet_fio --name=v --filename=/dev/mapper/c --direct=1 --ioengine=libaio --iodepth=16 \
		--rw="$1" --bsrange=4k-96k \
		--blockalign=4k --size=24m --verify=crc32c --verify_fatal=1 --randseed="$2" "$3"
}

for format in 1 2; do
	blank
	n=0
	make_cache c 64 "$(features_of $format writeback)" smq
	for mode in writeback writethrough passthrough writeback; do
		n=$((n + 1))
		features=$(features_of $format $mode)
		if [ $n -gt 1 ]; then
			clean_all c 64 "$(features_of $format writeback)"
			reload_cache c 64 "$features" smq
		fi
		note "format $format, $mode: $(st_used c) blocks cached"
		load randwrite $n --do_verify=1
		case $mode in
		writeback) ;;
		*) assert_num "$(st_dirty c)" -eq 0 "dirty blocks in $mode" ;;
		esac
	done
	# What this load left must be there after a restart, and on the origin alone when clean.
	dmsetup remove c
	check_metadata $META
	make_cache c 64 "$features" mq
	load randwrite $n --verify_only=1
	clean_all c 64 "$features"
	dmsetup remove c
	check_metadata $META
	linear c $ORIGIN 0 "$(sectors $ORIGIN)"
	load randwrite $n --verify_only=1
	dmsetup remove c
done

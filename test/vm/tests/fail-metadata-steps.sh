# SPDX-License-Identifier: GPL-2.0-only
# what: the metadata fails just when a promotion, a demotion, a dirty bit, a passthrough write or
#       the shutdown needs it: said, and no data is wrong
# durability: yes
# timeout: 200
# long: six caches that fail, each loaded again and cleaned; 55 s of CPU
# stock: no

. /job/lib-fail.sh
below_all "4 4" 4 8
noise /tmp/data 8

# step STEP HOW MODE FEATURES: fails so when STEP needs it, and is MODE then
step() {
	n=128
	[ "$1" != promote ] || n=100
	warm 64 $n 2 /tmp/data
	make_cache c 64 "$4" lru
	[ "${1%mote}" != "$1" ] || dmsetup message c 0 migration_threshold 0
	if [ "$1" = shutdown ]; then
		# Acknowledged, and flushed.
		change /tmp/data 3 20
		dd if=/tmp/change of=/dev/mapper/c bs=32k seek=3 oflag=direct conv=notrunc,fsync \
			2> /dev/null
	fi
	dmesg_mark
	ev=$(events c)
	case $2 in bad_leaf) bad_leaf ;; unwritable) gone m error_writes ;; *) $2 m ;; esac
	case $1 in
	promote | demote) wait_for 'read_blocks c 64 128 100; [ "$(st_mode c)" != rw ]' 20 ;;
	mark | invalidate) page never | refute write_at /dev/mapper/c $((5 * 64 + 8)) ;;
	shutdown) dmsetup suspend c ;;
	esac
	if [ "$3" = ro ]; then
		dmsetup resume c
		assert_eq "$(core_arg c origin_errors) $(core_arg c cache_errors)" "0 0" \
			"errors of the data devices, $1 with $2"
		same /tmp/data /dev/mapper/c "$1 with $2, read-only"
		if [ "$1" != invalidate ]; then
			change /tmp/data 7
			write_at /dev/mapper/c $((7 * 64)) < /tmp/change ||
				fail "$1 with $2: a write to a read-only cache"
			assert sync_of c
		fi
	else
		[ "$1" = shutdown ] || refute read_at /dev/mapper/c 0 > /dev/null
	fi
	metadata_failed "$3" "$1 with $2"
	metadata_again "$3" metadata2
	same /tmp/data /dev/mapper/c "loaded again after $1 with $2"
	clean_all c 64 metadata2
	dmsetup remove c
	same /tmp/data $ORIGIN "the origin, all clean, after $1 with $2"
}
step demote bad_leaf ro metadata2
step promote unwritable Fail metadata2
step mark unflushable Fail metadata2
step invalidate unwritable Fail "metadata2 passthrough"
step invalidate bad_leaf ro "metadata2 passthrough"
step shutdown gone Fail metadata2
check_metadata $META

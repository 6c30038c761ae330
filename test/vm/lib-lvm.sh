# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What the tests with lvm2 share. There is no udevd in the guest: lvm makes its nodes itself.

. /job/lib-cache.sh
OLDPATH=$PATH

# lvm_use 12|13 DEV...: from here on lvm2 of that Debian, and the cache tools that come with it, on
# these devices only
lvm_use() {
	PATH=/deb$1/bin:$OLDPATH
	if [ "$1" = 13 ]; then _tools=/tpt1; else _tools=/usr/sbin; fi
	shift
	export LVM_SYSTEM_DIR=/tmp/lvm LVM_SUPPRESS_FD_WARNINGS=1
	mkdir -p /tmp/lvm /run/lvm /run/lock/lvm
	_filter=
	for _d in "$@"; do _filter="$_filter\"a|^$_d\$|\", "; done
	cat > /tmp/lvm/lvm.conf <<-END
		devices { obtain_device_list_from_udev=0 external_device_info_source="none" use_devicesfile=0 multipath_component_detection=0
			md_component_detection=0 types=["nullb", 16] filter=[$_filter "r|.*|"] }
		activation { udev_sync=0 udev_rules=0 monitoring=0 }
		backup { backup=0 archive=0 }
		global { use_lvmpolld=0 cache_check_executable="$_tools/cache_check" cache_dump_executable="$_tools/cache_dump"
			cache_repair_executable="$_tools/cache_repair" }
	END
}

# lvm_refuses REGEX CMD...: it must fail and say why
lvm_refuses() {
	_re=$1
	shift
	if "$@" > /tmp/lvm.out 2>&1; then
		fail "must fail, but succeeded: $*: $(cat /tmp/lvm.out)"
	fi
	grep -Eq -- "$_re" /tmp/lvm.out ||
		fail "'$*' failed, as it must, but said nothing like /$_re/: $(cat /tmp/lvm.out)"
}

# lv LV FIELD: as lvs prints it
lv() { lvs --noheadings --nosuffix --units s -o "$2" "$1" 2> /dev/null | tr -d ' '; }

# lvs_agrees LV: every number that lvs has of a cache is the one in the status line of its device
lvs_agrees() {
	_dm=$(echo "$1" | tr / -) _try=0 _before=
	# The cache cleans by itself meanwhile: only a line that stays the same can be compared.
	until _after=$(st_line "$_dm") && [ "$_after" = "$_before" ]; do
		_try=$((_try + 1))
		[ $_try -le 20 ] || fail "the status line of $_dm never stays the same: $_after"
		_before=$_after
		lvs --noheadings --separator ' ' \
			-o \
			cache_used_blocks,cache_total_blocks,cache_read_hits,cache_read_misses,cache_write_hits,cache_write_misses,cache_dirty_blocks,kernel_cache_policy,kernel_metadata_format "$1" 2> /dev/null | sed 's/^ *//' > /tmp/lvs.got
	done
	# shellcheck disable=SC2086 # words
	set -- $_after
	case " $* " in *" metadata2 "*) _format=2 ;; *) _format=1 ;; esac
	assert_eq "$(cat /tmp/lvs.got)" \
		"${7%/*} ${7#*/} $8 $9 ${10} ${11} ${14} $(st_policy "$_dm") $_format" \
		"what lvs says of $_dm, against its status line"
}

# scribble FILE DEV SEED [BYTES]: 24 pieces of 1 to 40 sectors, anywhere in FILE's length or its
# first BYTES, to both
scribble() {
	_n=0 _len=$((${4:-$(stat -c %s "$1")} / 512))
	while [ $_n -lt 24 ]; do
		_n=$((_n + 1))
		_at=$((($3 * 7919 + _n * 104729 + _n * _n * 31) % (_len - 40))) \
			_size=$(((_n * 5) % 40 + 1))
		head -c $((_size * 512)) /dev/urandom > /tmp/piece
		write_at "$2" $_at < /tmp/piece
		dd if=/tmp/piece of="$1" bs=512 seek=$_at conv=notrunc 2> /dev/null
	done
}

# warm_lv DEV MB: read it over and over, in no order
warm_lv() {
	fio --minimal --name=w --filename="$1" --direct=1 --rw=randread --bs=4k --size="${2}m" \
		--io_size="$(($2 / 2))m" --ioengine=libaio \
		--iodepth=4 > /dev/null 2>&1
}

# ours_is_loaded: not the kernel's own module
ours_is_loaded() {
	assert_eq "$(cat /sys/module/dm_cache/srcversion)" \
		"$(modinfo -F srcversion "$(modinfo -n dm-cache)")" "the dm-cache that is loaded"
	[ "$STOCK" = 1 ] || assert_match "$(modinfo -n dm-cache)" /updates/ "where dm-cache is from"
}

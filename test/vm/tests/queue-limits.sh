# SPDX-License-Identifier: GPL-2.0-only
# what: queue limits of a cached device, field by field, are those of dm-linear over the same
#       devices; each that differs is told in doc/dev/limits.md, and differs
# kernels-differ: queue limits are the core's
# needs: smp=1 mem=512
# disks: 64M,64M
# stock: no
# files: test/vm/lib-cache.sh test/vm/lib-stack.sh doc/dev/limits.md

. /job/lib-cache.sh
. /job/lib-stack.sh
# Devices that take discards and write zeroes.
nb meta 8 0
META=/dev/meta CACHE=$DISK0 ORIGIN=$DISK1
assert_num "$(limit $ORIGIN write_zeroes_max_bytes)" -gt 0 "write zeroes of a virtio disk"
assert_num "$(limit $ORIGIN discard_max_bytes)" -gt 0 "discards of a virtio disk"

# limits DEV: "NAME VALUE" of all that its queue has
limits() {
	for x in "$(sysfs "$1")"/queue/*; do
		[ -f "$x" ] || continue
		echo "${x##*/} $(cat "$x" 2> /dev/null || :)"
	done | sort
}
# differing: names of what is not the same in /tmp/linear and /tmp/cached, or is in one only
differing() { sort /tmp/linear /tmp/cached | uniq -u | cut -d' ' -f1 | uniq; }

awk -F'|' '/^## / { on = /Queue limits/ } on { print $2 }' /job/limits.md | grep -o '`[a-z_]*`' |
	tr -d '`' | sort > /tmp/told
assert_num "$(grep -c . /tmp/told)" -ge 7 "fields that limits.md names"

linear l $ORIGIN 0 "$(sectors $ORIGIN)"
limits /dev/mapper/l > /tmp/linear
: > /tmp/differed
for words in writeback writethrough passthrough "writeback no_discard_passdown"; do
	blank
	make_cache c 128 "metadata2 $words" smq
	limits /dev/mapper/c > /tmp/cached
	dmsetup remove c
	for x in $(differing); do
		_l=$(grep "^$x " /tmp/linear || :) _c=$(grep "^$x " /tmp/cached || :)
		note "$words: $x: dm-linear '${_l#* }', cached device '${_c#* }'"
		grep -qx "$x" /tmp/told || fail "$x differs, and limits.md does not say why"
		case $words$x in
		*passdown*) ;;
		*discard_granularity | *discard_max_bytes | *discard_max_hw_bytes)
			fail "$x differs, though discards are passed down"
			;;
		esac
	done
	differing >> /tmp/differed
	for x in minimum_io_size optimal_io_size; do
		grep -qx "$x 65536" /tmp/cached || fail "$x is no cache block: $(grep "^$x" /tmp/cached)"
	done
	assert grep -qx 'write_cache write back' /tmp/cached
	assert grep -qx 'write_zeroes_max_bytes 0' /tmp/cached
done
# A virtio disk has a write cache itself, and older kernels read ahead as far.  Else what is told is
# true.
for x in $(cat /tmp/told); do
	case $x in write_cache | fua | read_ahead_kb) continue ;; esac
	grep -q "^$x " /tmp/linear || continue
	grep -qx "$x" /tmp/differed || fail "$x is told to differ in limits.md, and does not"
done

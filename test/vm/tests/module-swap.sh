# SPDX-License-Identifier: GPL-2.0-only
# what: ten swaps in a row between ours and the kernel's own module, in use, then six after crashes;
#       both formats
# stock: no
# long: two minutes; module-handover is the short one
# timeout: 300
# files: test/tools/pwriter.py

. /job/lib-cache.sh
# Two caches, one of each format, each on its own slices.
devices 8 8 24
nb log 1 0
parts 2 $META 8192 $CACHE 8192 $ORIGIN 24576
linear l /dev/log 0 2048

table() {
	echo "0 24576 cache /dev/mapper/m$1 /dev/mapper/f$1 /dev/mapper/s$1 64 $(test $1 = 2 &&
		echo 1 metadata2 || echo 0) smq 2 migration_threshold 0"
}
# Nothing is copied in the background while the test looks.
background() { for i in 1 2; do dmsetup message c$i 0 migration_threshold "$1"; done; }
create() { for i in 1 2; do dmsetup create c$i --table "$(table $i)"; done; }
remove() {
	for i in 1 2; do
		dmsetup suspend c$i
		eval "left$i='$(st_used c$i) $(st_dirty c$i)'"
		dmsetup remove c$i
	done
}

# job GENERATION OPTIONS: fio on both, every block, in no order; each holds its generation and its
# place. All but the last one of the origin: after the kernel's own module that may be a partial
# block of an earlier version, and is dropped (doc/dev/metadata.md).
job() {
	cat > /tmp/job <<-END
		[global]
		direct=1
		bs=16k
		ioengine=libaio
		iodepth=8
		randseed=$1
		verify=pattern
		verify_pattern="gen$1"%o
		verify_fatal=1
		size=12256k
		$2
		[a]
		filename=/dev/mapper/c1
		[b]
		filename=/dev/mapper/c2
	END
	fio --minimal --thread /tmp/job > /tmp/fio.out 2>&1
}
write_all() {
	background 2048
	job "$1" "rw=randwrite
do_verify=0" || fail "fio: $(cat /tmp/fio.out)"
	background 0
	# Some of it again: what is cached by now gets dirty, and stays so.
	job "$1" "rw=randwrite
size=3m
do_verify=0" || fail "fio: $(cat /tmp/fio.out)"
}
read_all() { job "$1" "rw=randread"; }

n=0 left1='0 0' left2='0 0'
while [ $n -lt 10 ]; do
	n=$((n + 1))
	case $((n % 2)) in 0) who=kernels ;; *) who=ours ;; esac
	use_$who
	create
	assert_eq "$(st_used c1) $(st_dirty c1), $(st_used c2) $(st_dirty c2)" "$left1, $left2" \
		"blocks cached and dirty, format 1 and 2, as the other module left them (swap $n, now $who)"
	if [ $n -gt 1 ]; then
		[ $n -gt 2 ] || refute read_all 77 # it would notice
		read_all $((n - 1)) || fail "swap $n, now $who: $(cat /tmp/fio.out)"
	fi
	write_all $n
	remove
	[ $((n % 5)) != 0 ] || for i in 1 2; do check_metadata /dev/mapper/m$i; done
done
note "after ten swaps: $left1 blocks cached and dirty in format 1, $left2 in format 2"
assert_num "${left1#* }" -gt 0 "dirty blocks, format 1"
assert_num "${left2#* }" -gt 0 "dirty blocks, format 2"

# A crash, without a boot: all devices stop at once (the log of what was acknowledged first, then
# metadata, so that nothing that has to follow something else is ahead of it), and what is on them
# then is what the other module gets.
crash() {
	for d in l m1 m2 f1 f2 s1 s2; do dmsetup suspend --noflush --nolockfs $d; done
	for d in meta fast slow log; do
		dd if=/dev/$d of=/tmp/crash.$d bs=1M iflag=direct 2> /dev/null
	done
	for d in l m1 m2 f1 f2 s1 s2; do dmsetup resume $d; done
	kill -9 $writer
	wait $writer 2> /dev/null || :
	for i in 1 2; do dmsetup remove c$i; done
	for d in meta fast slow log; do
		dd if=/tmp/crash.$d of=/dev/$d bs=1M oflag=direct 2> /dev/null
	done
}

use_ours
for d in $META $CACHE $ORIGIN /dev/log; do zero $d; done
n=0
while [ $n -lt 6 ]; do
	n=$((n + 1))
	case $((n % 2)) in 0) who=kernels ;; *) who=ours ;; esac
	use_$who
	create
	if [ $n -gt 1 ]; then
		for i in 1 2; do
			note \
				"crash $((n - 1)), now $who, format $i: $(st_used c$i) blocks cached, $(st_dirty c$i) dirty"
			assert_num "$(st_used c$i)" -gt 0 \
				"cached blocks after crash $((n - 1)), format $i"
			assert_num "$(st_dirty c$i)" -gt 0 \
				"dirty blocks after crash $((n - 1)), format $i"
		done
		python3 -I /job/pwriter.py check /dev/mapper/l /dev/mapper/c1 /dev/mapper/c2 ||
			fail "acknowledged writes are lost after crash $((n - 1)), now $who"
	fi
	background 2048
	python3 -I /job/pwriter.py write /dev/mapper/l 100 /dev/mapper/c1 /dev/mapper/c2 \
		> /dev/null 2>&1 &
	writer=$!
	sleep 3
	crash
done
use_ours
create
python3 -I /job/pwriter.py check /dev/mapper/l /dev/mapper/c1 /dev/mapper/c2 ||
	fail "acknowledged writes are lost after the last crash"
for i in 1 2; do
	dmsetup reload c$i --table "$(table $i | sed 's/smq 2 migration_threshold 0/cleaner 0/')"
	dmsetup suspend c$i
	dmsetup resume c$i
	wait_for "[ \$(st_dirty c$i) = 0 ]" 60
	dmsetup remove c$i
done
python3 -I /job/pwriter.py check /dev/mapper/l /dev/mapper/s1 /dev/mapper/s2 ||
	fail "the origins lack writes after cleaning"
for i in 1 2; do check_metadata /dev/mapper/m$i; done

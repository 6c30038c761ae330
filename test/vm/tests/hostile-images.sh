# SPDX-License-Identifier: GPL-2.0-only
# what: metadata with damage under right checksums is refused, or loaded, used and removed: no BUG,
#       no hang, no leak
# needs: smp=1 mem=512
# timeout: 300
# stock: no
# environment: FIRST IMAGES
# files: test/vectors
# builds: test/tools/mutate-metadata.c

. /job/lib-cache.sh
# The seeds are the same each time; test/soak/hostile runs more of them. The kernel's own module
# crashes on some.
FIRST=${FIRST:-1} IMAGES=${IMAGES:-60}
modprobe dm-mod
nb meta 4 0
nb fast 160 0
nb slow 128 0
for v in g06-all-dirty-v2 g07-hints-v1 g13-kernel-dirty-discards-clean-v1 \
	g14-kernel-dirty-discards-clean-v2 g28-shared-array-block-v1 \
	g32-partial-v1 g33-partial-v2; do
	gzip -dc /job/vectors/$v.img.gz > /tmp/$v.img
done
noise /tmp/data 1
# Those with partial blocks are for an origin that there is no room for.
modprobe dm-zero
dmsetup create large --table "0 67108864 zero"

# kernel_kb: what the slab caches hold, after everything that can be given back was; under KASAN
# freed objects stay in its quarantine until their cache shrinks. Of each cache in /tmp/slabs.
kernel_kb() {
	echo 3 > /proc/sys/vm/drop_caches
	for _s in /sys/kernel/slab/*; do
		[ -L "$_s" ] || echo 1 > "$_s/shrink"
	done
	awk 'NR > 2 { print $1, int($3 * $4 / 1024) }' /proc/slabinfo > /tmp/slabs
	awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo
}

loaded=0 refused=0 broke=0
# try SEED NAME FORMAT ORIGIN POLICY [ARGS]
try() {
	what=$(/job/mutate-metadata "/tmp/$2.img" /dev/meta "$1")
	_seed=$1 _image=$2 _sectors=$(sectors "$4")
	_front="0 $_sectors cache /dev/meta /dev/mapper/f $4 64 $([ "$3" = 2 ] &&
		echo 1 metadata2 || echo 0)"
	shift 4
	_policy=$1
	shift
	_table="$_front $_policy $# $*"
	dmesg_mark
	if ! timeout 60 dmsetup create c --table "$_table" 2> /tmp/said; then
		refused=$((refused + 1))
		assert_dmesg 'device-mapper: (cache|table)'
		[ ! -e /dev/mapper/c ] || dmsetup remove c ||
			fail "seed $_seed ($_image: $what): refused, but the device stays"
		return 0
	fi
	loaded=$((loaded + 1))
	# I/O may fail, the kernel may not.
	timeout 60 dd if=/tmp/data of=/dev/mapper/c bs=$((_seed % 2 * 28 + 4))k count=8 \
		seek=$((_seed % 900)) oflag=direct conv=notrunc,fsync 2> /dev/null || :
	timeout 60 dd if=/dev/mapper/c of=/dev/null bs=128k count=16 iflag=direct 2> /dev/null || :
	case $((_seed % 4)) in
	0) timeout 60 blkdiscard -o 0 -l 1048576 /dev/mapper/c 2> /dev/null || : ;;
	1) timeout 60 dmsetup suspend c && timeout 60 dmsetup resume c 2> /dev/null || : ;;
	2) timeout 60 dmsetup reload c --table "$_front cleaner 0" &&
		timeout 60 dmsetup suspend c && timeout 60 dmsetup resume c 2> /dev/null || : ;;
	esac
	timeout 60 dmsetup status c > /tmp/status
	case $(cat /tmp/status) in *' rw -') ;; *) broke=$((broke + 1)) ;; esac
	timeout 60 dmsetup remove c 2> /dev/null || {
		dmsetup resume c 2> /dev/null
		dmsetup remove c 2> /dev/null
	} || :
	[ ! -e /dev/mapper/c ] || fail "seed $_seed ($_image: $what): cannot be removed"
}

# one SEED: of the images in turn
one() {
	read -r _name _format _blocks _origin _args <<-END
		$(sed -n "$(($1 % 7 + 1))p" /tmp/bases)
	END
	if [ "$_blocks" != "$blocks" ]; then
		[ ! -e /dev/mapper/f ] || dmsetup remove f
		linear f /dev/fast 0 $((_blocks * 64))
		blocks=$_blocks
	fi
	# shellcheck disable=SC2086 # words
	try "$1" "$_name" "$_format" "$_origin" "$([ $(($1 % 3)) = 0 ] && echo mq || echo smq)" \
		$_args
}
cat > /tmp/bases <<-'END'
	g06-all-dirty-v2 2 512 /dev/slow
	g07-hints-v1 1 512 /dev/slow
	g13-kernel-dirty-discards-clean-v1 1 510 /dev/slow
	g14-kernel-dirty-discards-clean-v2 2 510 /dev/slow
	g28-shared-array-block-v1 1 2545 /dev/slow
	g32-partial-v1 1 200 /dev/mapper/large write_allocate 50
	g33-partial-v2 2 200 /dev/mapper/large write_allocate 50
	END
blocks=
# The first ones warm up what stays by right: modules, caches of the allocator, areas that vmalloc()
# frees lazily. After 30 images it goes up and down by 300 kB, but no longer grows (7.2 and 5.10,
# 300 images).
i=0
while [ $i -lt 30 ]; do
	one $((1000000 + i))
	i=$((i + 1))
done
before=$(kernel_kb)
mv /tmp/slabs /tmp/slabs.before
loaded=0 refused=0 broke=0
i=0
while [ $i -lt $IMAGES ]; do
	one $((FIRST + i))
	i=$((i + 1))
	[ $((i % 50)) != 0 ] ||
		note \
		"$i of $IMAGES images: $refused refused, $loaded loaded, $broke of them not read-write in the end"
done
after=$(kernel_kb)
note \
	"$IMAGES images: $refused refused, $loaded loaded, $broke of them not read-write in the end; slab memory $before kB before, $after kB after"
assert_num $refused -ge $((IMAGES / 20)) "images refused"
assert_num $loaded -ge $((IMAGES / 20)) "images loaded"
# A leaked cache of 512 blocks with its buffers is some 50 kB.
more=$((after - before)) limit=$((512 + IMAGES * 4))
if [ $more -ge $limit ]; then
	awk 'FNR == NR { was[$1] = $2; next } { print $2 - was[$1], "kB", $1 }' /tmp/slabs.before \
		/tmp/slabs | sort -rn | head -n 12
fi
assert_num $more -lt $limit "kB of slab memory that did not come back"
for m in $(awk '/^dm_cache/ && $3 != 0 && $4 == "-" { print $1 }' /proc/modules); do
	fail "module $m is in use, though nothing uses it"
done

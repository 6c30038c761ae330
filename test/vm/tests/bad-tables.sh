# SPDX-License-Identifier: GPL-2.0-only
# what: every wrong table line is refused with a reason in the kernel log, formats nothing, holds
#       nothing
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 8 16
noise /tmp/data 4
put /tmp/data $ORIGIN
put /tmp/data $CACHE
modprobe dm-cache
before="$(digest $META) $(digest $CACHE) $(digest $ORIGIN)"
len=$(sectors $ORIGIN)
held() { for _h in fast slow; do find "/sys/block/$_h/holders/" -mindepth 1; done; }

# bad REGEX LINE: for `dmsetup create`, of which the reload must fail: a resume that fails is too
# late to tell the user, and for a live device too late to go on.
bad() {
	expect_fail "$1" dmsetup create bad --table "0 ${3:-$len} cache $2"
	refute dmsetup info bad > /dev/null 2>&1
	assert_eq "$(held)" "" "holders of the devices after: $2"
}
D="$META $CACHE $ORIGIN"

bad 'nsufficient|[Aa]rg' ""
bad 'nsufficient|[Aa]rg' "$META"
bad 'nsufficient|[Aa]rg' "$META $CACHE"
bad 'nsufficient|[Aa]rg' "$D"
bad 'nsufficient|[Aa]rg' "$D 64"
bad 'nsufficient|[Aa]rg' "$D 64 0"
bad 'nsufficient|[Aa]rg|number|policy' "$D 64 0 smq"
# block size
for bs in 0 1 63 65 32 100 -64 2097216 4194304 4294967296 4294967360 64k x 0x40; do
	bad 'block size' "$D $bs 0 smq 0"
done
# counts
for n in -1 x 9 4294967296; do bad '[Ii]nvalid|number|arg' "$D 64 $n writeback smq 0"; done
bad 'nsufficient|arg|[Pp]olicy|feature' "$D 64 2 writeback smq 0"
bad 'feature|[Pp]olicy|arg' "$D 64 1 metadata2 writeback smq 0"
bad 'nsufficient|[Ii]nvalid|arg|policy' "$D 64 1 writeback smq 2"
bad '[Ii]nvalid|number|arg|policy' "$D 64 1 writeback smq x"
bad '[Ii]nvalid|number|arg|policy|pairs|even|odd' "$D 64 1 writeback smq 1 migration_threshold"
[ "$STOCK" = 1 ] || bad 'many|arg' "$D 64 1 writeback smq 0 surplus"
# features
for f in writearound WRITE metadata3 metadata1 "''"; do bad 'feature' "$D 64 1 $f smq 0"; done
bad '[Dd]uplicate|feature|mode' "$D 64 2 writeback writethrough smq 0"
bad '[Dd]uplicate|feature|mode' "$D 64 3 passthrough metadata2 writethrough smq 0"
# policy
bad '[Pp]olicy' "$D 64 0 nosuch 0"
bad '[Pp]olicy' "$D 64 0 ../../etc 0"
bad '[Pp]olicy' "$D 64 0 a-policy-with-quite-a-long-name-that-no-superblock-has-room-for 0"
bad '[Pp]olicy|[Tt]unable|config|set' "$D 64 0 smq 2 nosuch 1"
bad '[Pp]olicy|[Tt]unable|config|set|migration_threshold' "$D 64 0 smq 2 migration_threshold x"
[ "$STOCK" = 1 ] || bad '[Pp]olicy|[Tt]unable|config|set' "$D 64 0 mq 2 sequential_threshold many"
# devices
for i in 1 2 3; do
	set -- $META $CACHE $ORIGIN
	bad '[Oo]pen|device|lookup' \
		"$(case $i in \
		1) echo /dev/none $2 $3 ;; 2) echo $1 /dev/none $3 ;; 3) echo $1 $2 /dev/none ;; esac) 64 0 smq 0"
done
mknod /dev/ghost b 240 77
bad '[Oo]pen|device' "$META $CACHE /dev/ghost 64 0 smq 0"
if [ "$STOCK" = 0 ]; then
	bad 'same|different|twice' "$META $META $ORIGIN 64 0 smq 0"
	bad 'same|different|twice' "$META $ORIGIN $ORIGIN 64 0 smq 0" 8192
	bad 'same|different|twice' "$ORIGIN $CACHE $ORIGIN 64 0 smq 0"
	# One block of 16 MB does not fit into a cache device of 8 MB.
	bad 'small|larger|block size|block' "$D 32768 0 smq 0"
fi
bad 'larger|too large|size|beyond|small' "$D 64 0 smq 0" $((len + 1))
bad 'larger|too large|size|beyond|small' "$D 64 0 smq 0" $((len * 1000))
# A metadata device in which no metadata fits.
linear tiny $META 0 8
bad '.' "/dev/mapper/tiny $CACHE $ORIGIN 64 0 smq 0"
linear tiny3 $META 0 24
bad '.' "/dev/mapper/tiny3 $CACHE $ORIGIN 64 0 smq 0"
dmsetup remove tiny
dmsetup remove tiny3
# As part of a table whose other target is fine; a target that does not begin at 0.
printf '0 64 zero\n64 64 cache %s 63 0 smq 0\n' "$D" > /tmp/two
modprobe dm-zero
expect_fail 'block size' dmsetup create bad /tmp/two

# A good one loads after all this, and so the devices were free and the metadata blank.
assert_eq "$(digest $META) $(digest $CACHE) $(digest $ORIGIN)" "$before" \
	"contents of metadata, cache and origin"
for t in "0 smq 0" "1 writeback mq 0" "2 writethrough metadata2 cleaner 0" \
	"3 metadata2 no_discard_passdown passthrough default 0" \
	"0 smq 2 migration_threshold 4096"; do
	[ "$STOCK" = 1 ] && case $t in *" mq "*) continue ;; esac
	blank
	assert dmsetup create c --table "0 $len cache $D 64 $t"
	# A bad reload leaves the live table as it was.
	expect_fail 'block size' dmsetup reload c --table "0 $len cache $D 63 $t"
	expect_fail '[Pp]olicy' dmsetup reload c --table "0 $len cache $D 64 0 nosuch 0"
	dmsetup resume c
	assert_eq "$(digest /dev/mapper/c 0 4)" "$(md5_of /tmp/data)" "data through '$t'"
	dmsetup remove c
done

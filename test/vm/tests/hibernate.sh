# SPDX-License-Identifier: GPL-2.0-only
# what: hibernation under load: nothing is copied or committed behind the image; no image on a
#       cache, or where one is active
# needs: smp=1 mem=384
# disks: 16M,24M,97M,64M,256M
# hibernates: disk4
# timeout: 90
# boots: 5
# files: test/vm/hibernate-stage.sh test/vm/before-resume.sh
# builds: test/tools/power-load.c

. /job/lib-cache.sh
. /job/hibernate-stage.sh
[ -e /sys/power/disk ] || skip "this kernel cannot hibernate"
# One run over all boots: each goes on in the memory of the one before.
assert_eq "$BOOT" 1 "the boot in which this test begins (did this one resume?)"
quietly mkswap "$DISK4"
swapon "$DISK4"
stage
# To write all of it back takes longer than to hibernate.
sleep_load 128
# hibernate-ten, too, is this script.
times=$((BOOTS - 1)) i=1
[ "$TEST" != hibernate ] || times=2
while [ $i -le $times ]; do
	_h=$(st_read_hits)
	wait_for '[ "$(st_read_hits)" -gt $((_h + 10)) ]' 60
	dmesg_mark
	hibernate
	assert_dmesg 'hibernation exit'
	note "resumed: $(st_line)"
	assert_num "$(st_dirty)" \
		-gt 20 "dirty blocks after resume $i: there was work to do meanwhile"
	i=$((i + 1))
done
sleep_check
[ "$TEST" = hibernate ] || exit 0

# Its image would have to be read by a kernel that must not touch the cache.
# image_on DEV: where the image is to be; that there is none yet is an error.
image_on() { cat "$(sysfs "$1")/dev" > /sys/power/resume 2> /dev/null || :; }
quietly mkswap /dev/mapper/c
swapon /dev/mapper/c
swapoff "$DISK4"
image_on /dev/mapper/c
expect_fail 'hibernation is refused: its swap is on this cache' sh -c 'echo disk > /sys/power/state'
swapoff /dev/mapper/c
swapon "$DISK4"
image_on "$DISK4"
page "after the refusal" | write_at /dev/mapper/c 1024
assert_match "$(read_at /dev/mapper/c 1024)" '^after the refusal' "the cache goes on"

# before-resume.sh: another kernel uses the cache meanwhile; after it the next boot resumes this
# one.
dmesg_mark
hibernate
assert_match "$(read_at "$DISK3" 0)" '^the image was refused' \
	"a kernel with an active cache resumes no other"
assert_dmesg 'was changed while this machine hibernated: failing all I/O'
assert_eq "$(st_mode)" Fail "mode after another kernel has used the cache"
refute read_at /dev/mapper/c 1024
dmsetup remove c
check_metadata "$META"
make_cache c 64 metadata2 lru
assert_match "$(read_at /dev/mapper/c 1024)" '^after the refusal' \
	"what was written before the hibernation"

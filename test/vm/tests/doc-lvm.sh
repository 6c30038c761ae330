# SPDX-License-Identifier: GPL-2.0-only
# what: the lvm2 commands of doc/admin/lvm.md, in its order
# long: half a minute; lvm-cachevol shows the most of it
# stock: no
# timeout: 180
# files: doc/admin/lvm.md

. /job/lib-lvm.sh
nb slow 48 0
nb fast 32 0
slow=/dev/slow fast=/dev/fast
lvm_use 12 $slow $fast

awk \
	'/^<!-- tested lvm -->$/ { wanted = 1; next } /^```/ { on = !on && wanted; wanted = 0; next } on' /job/lvm.md > /tmp/commands
assert_num "$(wc -l < /tmp/commands)" -ge 8 "lvm2 commands in lvm.md"
n=0
while read -r line <&3; do
	n=$((n + 1))
	note "$line"
	eval "$line" > /tmp/said 2>&1 || fail "$line: $(cat /tmp/said)"
	case $line in
	*"-n data "*)
		mkfs.ext4 -q /dev/mapper/vg-data
		mount /dev/mapper/vg-data /mnt
		;;
	*--cachevol*) ours_is_loaded ;;
	lvs*) assert grep -q writeback /tmp/said && sed 's/^/  /' /tmp/said ;;
	esac
	if grep -q ' /mnt ' /proc/mounts; then seq $n 30000 > /mnt/$n; sync; fi
done 3< /tmp/commands
umount /mnt
mount /dev/mapper/vg-data /mnt
for f in /mnt/[0-9]*; do seq "${f#/mnt/}" 30000 | cmp - "$f" || fail "$f"; done
umount /mnt
quietly e2fsck -fn /dev/mapper/vg-data
assert_eq "$(dmsetup ls --target cache | grep -c '^vg' || :)" 0 "caches after the last command"

# SPDX-License-Identifier: GPL-2.0-only
# what: beside the kernel's own dm-cache: its module parameters are ours, IMA measures the same, and
#       the same is counted in passthrough mode
# kernels-differ: the kernel's own dm-cache is another
# long: the modules of both are loaded again and again; short ones are coexist and status-effective
# needs: mem=512
# stock: no
# timeout: 240
# files: test/vm/lib-cache.sh

. /job/lib-cache.sh
devices 8 16 24

# ----- module parameters -----

use_kernels
for f in /sys/module/dm_cache/parameters/* /sys/module/dm_cache_smq/parameters/*; do
	[ ! -e "$f" ] || echo "$f $(cat "$f")"
done > /tmp/parameters
assert grep -q cache_copy_throttle /tmp/parameters
use_ours
modprobe dm-cache-smq
while read -r f value; do
	[ -w "$f" ] || fail "ours has no parameter $f"
	note "$f: $value in the kernel's own, $(cat "$f") in ours"
	[ "${f##*/}" != cache_copy_throttle ] || assert_eq "$(cat "$f")" "$value" "$f"
done < /tmp/parameters

# ----- what IMA measures when a table is loaded -----

# measured: what IMA was told last of a cache, without its version
measured() {
	python3 -I -c 'import re
last = [l.split() for l in open("/sys/kernel/security/ima/ascii_runtime_measurements") if " dm_table_load " in l][-1][-1]
print(re.sub(r"target_version=\d+\.\d+\.\d+", "", bytes.fromhex(last).decode()))'
}
mount -t securityfs security /sys/kernel/security 2> /dev/null || :
if echo "measure func=CRITICAL_DATA label=device-mapper" \
	> /sys/kernel/security/ima/policy 2> /dev/null; then
	for words in writeback metadata2,writethrough passthrough,no_discard_passdown metadata2; do
		for which in kernels ours; do
			use_$which
			blank
			make_cache c 128 "$(echo $words | tr , ' ')" smq
			measured > /tmp/ima.$which
			dmsetup remove c
		done
		assert_match "$(cat /tmp/ima.ours)" \
			'target_name=cache,,metadata_mode=rw,cache_metadata' "IMA"
		cmp /tmp/ima.kernels /tmp/ima.ours ||
			fail "IMA, $words: $(cat /tmp/ima.kernels /tmp/ima.ours)"
	done
else
	note "no IMA, or of a kernel before 5.15"
fi

# ----- what is counted in passthrough mode -----

noise /tmp/data 16
for which in kernels ours; do
	use_$which
	warm 128 16 2 /tmp/data
	make_cache c 128 "metadata2 passthrough" smq
	for b in 1 2 3; do page new | write_at /dev/mapper/c $((b * 128)); done
	read_at /dev/mapper/c 512 > /dev/null
	read_at /dev/mapper/c 30000 > /dev/null
	dmsetup message c 0 invalidate_cblocks 8-10
	# Metadata and cache blocks in use; hits and misses; demotions, promotions, dirty ones.
	for n in 7 8 9 10 11 12 13 14; do st $n; done | tr '\n' ' ' > /tmp/counted.$which
	dmsetup remove c
done
note "passthrough: kernel's $(cat /tmp/counted.kernels), ours $(cat /tmp/counted.ours)"
assert_eq "$(cat /tmp/counted.ours)" "$(cat /tmp/counted.kernels)" "what passthrough mode counted"

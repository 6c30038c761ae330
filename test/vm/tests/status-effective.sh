# SPDX-License-Identifier: GPL-2.0-only
# what: the status says whether discards reach the origin, whatever the table asked for; what IMA is
#       told is what the kernel documents
# needs: smp=1

. /job/lib-cache.sh
devices 8 8 16
# A brd takes discards on some kernels, and on others not.
NB_DISCARD=0
nb keeps 16 0
NB_DISCARD=1
SLOW=$ORIGIN
N=no_discard_passdown

# ----- the features in the status: what is in effect -----

# features: those of the status, with their number
features() { st_line c | cut -d' ' -f15- | sed 's/ [0-9]* migration_threshold.*//'; }

# The origin, the words of the table: those of the status. /dev/keeps takes no discards.
while read -r origin table status; do
	ORIGIN=$origin
	blank
	make_cache c 64 "$(echo "$table" | tr , ' ')" smq
	assert_eq "$(features)" "$(echo "$status" | tr , ' ')" \
		"features of a cache with '$table' before $origin"
	[ "$origin" = "$SLOW" ] ||
		assert_eq "$(dmsetup table c | cut -d' ' -f8-)" \
		"$(echo "$table" | awk -F, '{ print NF, $0 }' | tr , ' ') smq 0" "its table"
	dmsetup remove c
done <<-END
	$SLOW writeback 1,writeback
	$SLOW metadata2,writeback 2,metadata2,writeback
	$SLOW metadata2,writethrough,$N 3,metadata2,writethrough,$N
	/dev/keeps writeback 2,writeback,$N
	/dev/keeps metadata2,writethrough 3,metadata2,writethrough,$N
	/dev/keeps metadata2,passthrough,$N 3,metadata2,passthrough,$N
END

# ----- what is measured when a table is loaded -----
# Its words, before anything is known of the origin.

mount -t securityfs security /sys/kernel/security 2> /dev/null || :
IMA=/sys/kernel/security/ima
if ! echo "measure func=CRITICAL_DATA label=device-mapper" > $IMA/policy 2> /dev/null; then
	note "no IMA, or of a kernel before 5.15"
	exit 0
fi
# measured: the last cache that IMA was told of, without its version
measured() {
	python3 -I -c 'import re
last = [l.split() for l in open("/sys/kernel/security/ima/ascii_runtime_measurements") if " dm_table_load " in l][-1][-1]
print(re.search(r"target_name=cache,target_version=\d+\.\d+\.\d+,(.*?;)", bytes.fromhex(last).decode())[1])'
}
number() { printf '%d:%d\n' "0x$(stat -c %t "$1")" "0x$(stat -c %T "$1")"; }
while read -r origin table modes; do
	ORIGIN=$(readlink -f "$origin")
	blank
	make_cache c 64 "$(echo "$table" | tr , ' ')" smq
	set -- "$(readlink -f $META)" "$(readlink -f $CACHE)"
	assert_eq "$(measured)" \
		"metadata_mode=rw,cache_metadata_device=$(number "$1"),cache_device=$(
			number "$2"
		),cache_origin_device=$(number "$ORIGIN"),$modes;" \
		"what IMA measures of a cache with '$table' before $ORIGIN"
	dmsetup remove c
done <<-END
	$SLOW writeback writethrough=n,writeback=y,passthrough=n,metadata2=n,$N=n
	$SLOW metadata2,writethrough,$N writethrough=y,writeback=n,passthrough=n,metadata2=y,$N=y
	/dev/keeps metadata2,passthrough writethrough=n,writeback=n,passthrough=y,metadata2=y,$N=n
END

# SPDX-License-Identifier: GPL-2.0-only
# what: messages, good and bad; status line field by field; the table line loads again as printed
# needs: smp=1
# timeout: 240

. /job/lib-cache.sh
devices 8 8 16

# parse: the status line must be exactly what libdevmapper's dm_get_status_cache expects
parse() {
	dmsetup status ${2:-} c > /tmp/status
	python3 -I - "$1" <<-'END' || fail "status line: $(cat /tmp/status)"
	import sys, re
	line = open("/tmp/status").read().rstrip("\n")
	f = line.split(" ")
	def take(regex, what):
	    word = f.pop(0)
	    if not re.fullmatch(regex, word):
	        sys.exit(f"{what}: expected /{regex}/, got '{word}'")
	    return word
	line = line.rstrip(" ") # the kernel's own ends in a blank
	take("0", "start"); take("32768", "length"); take("cache", "target")
	take("8", "metadata block size"); take("[0-9]+/2048", "metadata blocks"); take("64", "block size"); take("[0-9]+/256", "cache blocks")
	for w in "read hits, read misses, write hits, write misses, demotions, promotions, dirty".split(", "): take("[0-9]+", w)
	features = [f.pop(0) for i in range(int(take("[0-9]+", "#features")))]
	core = [f.pop(0) for i in range(int(take("[0-9]+", "#core args")))]
	policy = take("[a-z]+", "policy")
	args = [f.pop(0) for i in range(int(take("[0-9]+", "#policy args")))]
	take("rw", "metadata mode"); take("-", "needs_check")
	if f: sys.exit(f"surplus: {f}")
	if len(core) % 2 or len(args) % 2: sys.exit("arguments are no pairs")
	if "migration_threshold" not in core[::2]: sys.exit("no migration_threshold")
	got = " ".join(sorted(features)) + " " + policy
	if got != sys.argv[1]: sys.exit(f"features and policy: expected '{sys.argv[1]}', got '{got}'")
	END
}

for t in "0 smq 0=writeback smq" "1 writeback smq 0=writeback smq" \
	"1 writethrough smq 0=writethrough smq" \
	"2 metadata2 passthrough smq 0=metadata2 passthrough smq" "1 metadata2 cleaner 0=metadata2 writeback cleaner" \
	"3 no_discard_passdown writethrough metadata2 smq 2 migration_threshold 100=metadata2 no_discard_passdown writethrough smq" \
	"1 writeback mq 0=writeback mq" \
	"1 writeback mq 4 sequential_threshold 1000 random_threshold 8=writeback mq"; do
	[ "$STOCK" = 1 ] && case $t in *" mq "*) continue ;; esac
	blank
	line="0 $(sectors $ORIGIN) cache $META $CACHE $ORIGIN 64 ${t%=*}"
	dmsetup create c --table "$line"
	case $t in *no_discard*) [ "$STOCK" = 1 ] && { dmsetup remove c; continue; } ;; esac
	parse "${t#*=}"
	parse "${t#*=}" --noflush
	# What `dmsetup table` prints must load, and print the same then.
	table=$(dmsetup table c)
	assert_eq "$(echo "$table" | cut -d' ' -f7-)" "64 ${t%=*}" "table line behind the devices"
	dmsetup remove c
	dmsetup create c --table "$table"
	assert_eq "$(dmsetup table c)" "$table" "table line, loaded again"
	parse "${t#*=}"
	dmsetup remove c
done

blank
make_cache c 64 metadata2 smq
tunable() { dmsetup status --noflush c | tr ' ' '\n' | grep -A1 -x "$1" | tail -n 1; }

assert dmsetup message c 0 migration_threshold 12345
assert_eq "$(tunable migration_threshold)" 12345 "migration_threshold in the status"
assert dmsetup message c 0 migration_threshold 0
assert_eq "$(tunable migration_threshold)" 0 "migration_threshold in the status"
dmsetup message c 0 migration_threshold 4096

# Bad ones: refused with a word in the log, and nothing changed.
before=$(dmsetup status c | cut -d' ' -f4-)
table=$(dmsetup table c)
refused() {
	expect_fail 'cache' dmsetup message -- c 0 "$@"
	assert_eq "$(dmsetup status c | cut -d' ' -f4-)" "$before" \
		"status after the bad message '$*'"
}
for v in "" x -1 12x 99999999999999999999 "1 2"; do refused migration_threshold $v; done
refused nosuch
refused nosuch 1
refused nosuch 1 2 3
refused invalidate_cblocks 0
[ "$STOCK" = 1 ] || refused set_config
[ "$STOCK" = 1 ] || refused set_config migration_threshold
refused set_config nosuch 1
refused "$(head -c 3000 /dev/zero | tr '\0' a)" 1
refused "%s%n%p" "%s%n"
assert_eq "$(dmsetup table c)" "$table" "table line after bad messages"
dmsetup remove c

if [ "$STOCK" = 0 ]; then
	make_cache c 64 metadata2 mq sequential_threshold 333
	assert_eq "$(tunable sequential_threshold)" 333 "sequential_threshold of the table line"
	assert dmsetup message c 0 set_config migration_threshold 777
	assert_eq "$(tunable migration_threshold)" 777 "migration_threshold, set by set_config"
	for k in sequential_threshold random_threshold; do
		assert dmsetup message c 0 $k 17
		assert_eq "$(tunable $k)" 17 "$k in the status"
		assert dmsetup message c 0 set_config $k 18
		assert_eq "$(tunable $k)" 18 "$k, set by set_config"
	done
	before=$(dmsetup status c | cut -d' ' -f4-)
	refused sequential_threshold x
	refused sequential_threshold -1
	refused random_threshold ""
	# A message to a suspended device neither hangs nor is lost.
	dmsetup suspend c
	assert timeout 20 dmsetup message c 0 sequential_threshold 19
	dmsetup resume c
	assert_eq "$(tunable sequential_threshold)" 19 "sequential_threshold, set while suspended"
	dmsetup remove c
fi

# SPDX-License-Identifier: GPL-2.0-only
# what: what one policy knows of its blocks is told to the next: live, over a restart, through the
#       cleaner; both formats
# timeout: 240
# long: switches among ten policies, in both formats

. /job/lib-cache.sh
devices 8 16 32
noise /tmp/old 24

# warmth: "HOT COLD", mean ranks of the hints stored of origin blocks below 40, and of all others
warmth() {
	meta_dump $META > /tmp/dump
	python3 -I - << 'END'
import base64, re
text = open("/tmp/dump").read()
hot = {c: int(o) < 40 for c, o in re.findall(r'<mapping cache_block="(\d+)" origin_block="(\d+)"', text)}
hint = {c: int.from_bytes(base64.b64decode(d + "=" * (-len(d) % 4)), "little")
        for c, d in re.findall(r'<hint cache_block="(\d+)" data="([^"]*)"', text) if c in hot}
order = sorted(hint.values())
rank = {h: (order.index(h) + len(order) - order[::-1].index(h)) / 2 for h in set(order)}
for which in True, False:
    ranks = [rank[h] for c, h in hint.items() if hot[c] == which]
    print(round(sum(ranks) / len(ranks)) if ranks else "none", end=" " if which else "\n")
END
}

# Of 200 blocks 40 are hot: mean ranks of 180 and 80 at best.
check_warmth() {
	warmth > /tmp/warmth
	read -r hot cold < /tmp/warmth
	note "format $format, $1: mean rank of hot blocks $hot, of cold ones $cold"
	assert_num "$hot" \
		-gt $((cold + 40)) \
		"$1: mean rank of the hints of hot blocks, beside that of cold ones"
}

told() { assert_dmesg "what policy $1 knew of the cached blocks is told to policy $2"; }

for format in 1 2; do
	f=$(features_of $format)
	warm 64 200 $format /tmp/old
	make_cache c 64 "$f" smq
	for i in 1 2 3 4; do
		read_blocks c 64 0 40
		sleep 1.1
	done
	dmsetup remove c
	check_warmth "smq, as loaded"
	last=smq
	for p in payback mq tinylfu s3fifo lfu lru sieve twoqueue smq; do
		make_cache c 64 "$f" $last
		dmesg_mark
		reload_cache c 64 "$f" $p
		told $last $p
		dmsetup remove c
		check_metadata $META
		check_warmth "live, $last to $p"
		last=$p
	done

	# The stored policy's module is not even there.
	rmmod dm-cache-smq
	dmesg_mark
	make_cache c 64 "$f" default
	told smq default
	dmsetup remove c
	check_warmth "over a restart, smq to default"

	# The cleaner has no hints, and leaves what is there.
	make_cache c 64 "$f" default
	clean_all c 64 "$f"
	dmsetup remove c
	check_warmth "default, after the cleaner"
	dmesg_mark
	make_cache c 64 "$f" mq
	told payback mq
	dmsetup remove c
	check_metadata $META
	check_warmth "mq after the cleaner"
done

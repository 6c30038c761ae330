#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test-tools.sh PROGRAM - metadata of ours against thin-provisioning-tools 0.9 (Debian 12) and 1.x
# (Debian 13), and an independent decoder, both ways. PROGRAM is build/test-tools; see there.
#
# 0.9 is what is installed. 1.x, unless that is, comes as packages of Debian 13, unpacked below
# $DMC_WORK and run with their own libc. What cannot be had is a skip.
set -u
cd "$(dirname "$0")" || exit 2
. ../lib/host.sh
# shellcheck source=../lib/tpt1.sh
. ../lib/tpt1.sh
P=$1
DECODE=../tools/decode_cache_metadata.py
T=$(mktemp -d) || exit 2
trap 'rm -rf "$T"' EXIT
failed=0

ok() { echo "ok $1"; }
fail() { echo "FAIL $1"; failed=1; }
# expect NAME COMMAND...: passes if the command does; its output only if not
expect() {
	local name=$1
	shift
	if "$@" > "$T/out" 2>&1; then
		return 0
	fi
	echo "  $name: $*:"
	tail -n 5 "$T/out" | cut -c 1-200 | sed 's/^/  /'
	bad=1
}
begin() { bad=0; }
end() { if [ $bad = 0 ]; then ok "$1"; else fail "$1"; fi; }

##### the tools #####

version() { "$@" -V 2>/dev/null | grep -o '[0-9]\+\.[0-9]\+' | head -n 1; }

new() { if [ "$NEW" = installed ]; then "$@"; else tpt1 "$@"; fi; }

mkdir -p "$WORK"
OLD='' NEW=''
case $(version cache_check) in
0.*) OLD=installed ;;
[1-9]*) NEW=installed ;;
esac
if [ -z "$NEW" ] && tpt1_fetch > "$T/fetch" 2>&1 && [ -n "$(version tpt1 cache_check)" ]; then
	NEW=fetched
fi
[ -n "$OLD" ] || echo "skip thin-provisioning-tools 0.9 (not installed here)"
[ -n "$NEW" ] ||
	echo "skip thin-provisioning-tools 1.x (packages of Debian 13 cannot be had: $(tail -n 1 "$T/fetch"))"

##### comparing #####

# cache_dump 0.9 does not know the dirty bits of format 2; versions differ in white space.
plain() { sed -e 's/^ *//; s/ *\/>/\/>/' -e '$a\'; }
all_clean() { sed 's/dirty="true"/dirty="false"/'; }
same() { cmp "$1" "$2" || { diff "$1" "$2" | head -n 5; false; }; }

# checked IMAGE FORMAT XML [leaky]
checked() {
	local img=$1 format=$2 xml=$3 leaky=${4:-}
	plain < "$xml" > "$T/want"
	expect decoder bash \
		-c \
		"set -o pipefail; python3 $DECODE --level check --xml '$img' | sed 's/^ *//' > '$T/got'"
	expect "decoder's XML" same "$T/want" "$T/got"
	if [ -n "$NEW" ]; then
		[ -n "$leaky" ] || expect cache_check-1 new cache_check "$img"
		new cache_dump "$img" 2> "$T/err" | plain > "$T/got"
		expect cache_dump-1 same "$T/want" "$T/got"
	fi
	if [ -n "$OLD" ]; then
		expect cache_check-0.9 cache_check "$img"
		[ "$format" = 1 ] || all_clean < "$T/want" > "$T/want09"
		[ "$format" = 2 ] || cp "$T/want" "$T/want09"
		cache_dump "$img" 2> "$T/err" | plain > "$T/got"
		expect cache_dump-0.9 same "$T/want09" "$T/got"
	fi
}

##### ours, read by the tools #####

for format in 1 2; do
	for shape in "1 100" "512 0" "510 40" "1018 100" "130000 33"; do
		read -r nr percent <<< "$shape"
		kib=4096
		[ "$nr" -lt 100000 ] || kib=16384
		begin
		expect make bash -c "$P make $T/img $kib $format $nr $percent 7 > $T/xml"
		checked "$T/img" $format "$T/xml"
		expect work bash -c "$P work $T/img 1048576 8 > $T/xml"
		checked "$T/img" $format "$T/xml"
		expect dump bash -c "$P dump $T/img 1048576 > $T/xml2"
		expect "dump equals" same "$T/xml" "$T/xml2"
		end "format $format, $nr blocks, $percent% mapped: the tools read what we wrote"

		[ "$nr" -gt 1 ] || continue
		begin
		expect crash $P crash "$T/img" 1048576 9
		expect decoder python3 $DECODE --level check --summary "$T/img"
		[ -z "$NEW" ] || expect cache_check-1 new cache_check "$T/img"
		[ -z "$OLD" ] || expect cache_check-0.9 cache_check "$T/img"
		if [ -n "$NEW" ]; then
			truncate -s ${kib}K "$T/repaired"
			expect cache_repair-1 new cache_repair -i "$T/img" -o "$T/repaired"
			expect dump bash \
				-c "$P dump $T/img 1048576 | grep -v hint | sed s/dirty=.*// > $T/a"
			expect dump bash \
				-c \
				"$P dump $T/repaired 1048576 | grep -v hint | sed s/dirty=.*// > $T/b"
			expect "repaired equals" same "$T/a" "$T/b"
			rm -f "$T/repaired"
		fi
		end "format $format, $nr blocks: valid while running, too"
	done
done

begin
expect make bash -c "$P make $T/img 4096 2 512 50 3 > $T/xml"
expect needs-check $P needs-check "$T/img"
if $P dump "$T/img" 1048576 > "$T/out" 2>&1; then bad=1; echo "  needs_check is not refused"; fi
grep -q needs_check "$T/out" || bad=1
if [ -n "$NEW" ]; then
	expect clear new cache_check --clear-needs-check-flag "$T/img"
	expect dump $P dump "$T/img" 1048576
elif [ -n "$OLD" ]; then
	expect clear cache_check --clear-needs-check-flag "$T/img"
	expect dump $P dump "$T/img" 1048576
fi
end "needs_check is refused, and accepted again once cache_check cleared it"

##### partial blocks #####

# refused_by REGEX COMMAND...: it must fail, for that reason
refused_by() {
	local re=$1
	shift
	if "$@" > "$T/out" 2>&1; then bad=1; echo "  passed: $*"; fi
	grep -Eq "$re" "$T/out" || { bad=1; echo "  $*: $(tail -n 1 "$T/out")"; }
}
# whole COMMAND...: takes partial blocks for whole ones: that is why `dmcache repair` refuses them
whole() {
	rm -f "$T/new"
	truncate -s 4096K "$T/new"
	expect "$1" "$@" -i "$T/img" -o "$T/new"
	expect "feature" [ "$(od -An -tu1 -j255 -N1 "$T/new" | tr -d ' ')" = 0 ]
}
# made_partial SEED: some more blocks of the image are, and the decoder sees what ours does
made_partial() {
	expect partial bash -c "$P partial $T/img 1048576 $1 > $T/all"
	grep -v '^valid' "$T/all" | plain > "$T/want"
	grep '^valid' "$T/all" > "$T/valid"
	expect "some are partial" [ -s "$T/valid" ]
	expect decoder bash -c "set -o pipefail
		python3 $DECODE --xml '$T/img' | sed 's/^ *//' > '$T/got'
		python3 $DECODE --valid '$T/img' > '$T/got2'"
	expect "decoder's XML" same "$T/want" "$T/got"
	expect "decoder's maps" same "$T/valid" "$T/got2"
}
for format in 1 2; do
	begin
	expect make bash -c "$P make $T/img 4096 $format 510 60 11 > $T/xml"
	made_partial 12
	[ -z "$OLD" ] || refused_by 'incompat_flags invalid' cache_check "$T/img"
	[ -z "$NEW" ] || refused_by 'metadata blocks have leaked' new cache_check "$T/img"
	[ -z "$OLD" ] || whole cache_repair
	[ -z "$NEW" ] || whole new cache_repair
	end "format $format, with partial blocks: what the decoder and the tools say"

	if [ -n "$NEW" ]; then
		begin
		cp "$T/img" "$T/before"
		expect "auto-repair" new cache_check -q --auto-repair "$T/img"
		expect "it frees the maps" bash -c "! cmp -s $T/before $T/img"
		made_partial 13
		expect decoder python3 $DECODE --level check --summary "$T/img"
		refused_by 'metadata blocks have leaked' new cache_check "$T/img"
		end "format $format, the maps freed by cache_check --auto-repair: taken back"
	fi

	begin
	expect drain bash -c "$P drain $T/img 1048576 > $T/xml"
	checked "$T/img" $format "$T/xml"
	end "format $format, drained: the tools read it as any other"
done

begin
for v in g32-partial-v1 g33-partial-v2; do
	gzip -dc ../vectors/$v.img.gz > "$T/img"
	gzip -dc ../vectors/$v.xml.gz | sed 's/^ *//' > "$T/want"
	expect decoder bash -c "set -o pipefail
		{ python3 $DECODE --xml '$T/img' && python3 $DECODE --valid '$T/img'; } |
			sed 's/^ *//' > '$T/got'"
	expect "decoder of $v" same "$T/want" "$T/got"
done
end "the decoder reads the vectors with partial blocks"

##### theirs, read by us #####

# restored VERSION FORMAT NR PERCENT COMMAND...: the tool restores the XML that `make` printed
restored() {
	local version=$1 format=$2 nr=$3 percent=$4 kib=4096 leaky=''
	shift 4
	[ "$nr" -lt 100000 ] || kib=16384
	begin
	expect make bash -c "$P make $T/img $kib $format $nr $percent 21 > $T/xml"
	rm -f "$T/new"
	truncate -s ${kib}K "$T/new"
	expect restore "$@" --metadata-version "$format" -i "$T/xml" -o "$T/new"
	# 0.9 stores hints, but no hint size: they must not be used. It also leaks a few blocks.
	[ "$version" = 1.x ] || { sed -i '/<hint c/d' "$T/xml"; leaky=leaky; }
	expect dump bash -c "$P dump $T/new 1048576 > $T/xml2"
	expect "dump equals" same "$T/xml" "$T/xml2"
	expect work bash -c "$P work $T/new 1048576 22 > $T/xml"
	checked "$T/new" "$format" "$T/xml" $leaky
	end "format $format, $nr blocks: what cache_restore $version wrote, loads"
}
for format in 1 2; do
	for shape in "1 100" "512 50" "130000 33"; do
		read -r nr percent <<< "$shape"
		[ -z "$NEW" ] || restored 1.x $format "$nr" "$percent" new cache_restore
		[ -z "$OLD" ] || restored 0.9 $format "$nr" "$percent" cache_restore
	done
done

exit $failed

# SPDX-License-Identifier: GPL-2.0-only
#
# shell.sh LIB DIR - run by test/cli/run with several shells: the libraries of dmcache on files in
# DIR.
set -u
LIB=$1 DIR=$2
DMCACHE_TAB=$DIR/tab
command='test'
# shellcheck disable=SC1090,SC1091 # the one that is tested
for l in base label tab known find assemble create metadata; do . "$LIB/$l.sh"; done

bad() { echo "shell.sh: $*" >&2; exit 1; }
eq() { [ "$1" = "$2" ] || bad "$3: expected '$2', got '$1'"; }
st() { _want=$1; shift; "$@"; _got=$?; [ $_got = "$_want" ] || bad "'$*' gave $_got, not $_want"; }

eq "$(say 'a\040b')" 'a\040b' say
eq "$(warn 'a\040b' 2>&1)" 'dmcache: a\040b' warn

# ----- sizes -----
for x in 64K:128 1M:2048 10G:20971520 1T:2147483648 4096:8 100s:100 010K:20; do
	st 0 parse_size "${x%:*}"
	eq "$R" "${x#*:}" "parse_size ${x%:*}"
done
for x in '' K 1.5G -1 100 0x10 12345678901234567; do st 1 parse_size "$x"; done
human 3; eq "$R" "1.5 KiB" human
human 209715200; eq "$R" "100 GiB" human
percent 1 8; eq "$R" 12.5 percent
percent 0 0; eq "$R" 0.0 percent
for x in 64:0 2097152:0 63:1 96:1 2097216:1 0:1; do st "${x#*:}" block_size_ok "${x%:*}"; done
# As cache_metadata_size of thin-provisioning-tools, or a little more.
metadata_sectors 1638400
[ "$R" -ge 97792 ] && [ "$R" -le 100000 ] || bad "metadata of 1638400 blocks: $R sectors"
for x in a data_1 a.b+c-d; do st 0 name_ok "$x"; done
for x in '' -a .a 'a b' a/b x-cdata control "$(printf 'a%.0s' 1 2 3)\$"; do st 1 name_ok "$x"; done

# ----- repaired metadata: no dirty block is taken for a clean one, with any version of the tools
top=$(cd "$(dirname "$0")/../.." && pwd)
if command -v cache_repair > /dev/null; then
	gunzip -c "$top/test/vectors/g06-all-dirty-v2.img.gz" > "$DIR/old"
	cp "$DIR/old" "$DIR/new"
	cache_repair -i "$DIR/old" -o "$DIR/new" > "$DIR/out" 2>&1 ||
		bad "cache_repair: $(cat "$DIR/out")"
	! tools_before_1 || all_dirty "$DIR/new" > "$DIR/out" 2>&1 ||
		bad "all_dirty: $(cat "$DIR/out")"
	eq "$(python3 -I "$top/test/tools/decode_cache_metadata.py" --summary "$DIR/new" |
		sed -n 's/.*"dirty": \([0-9]*\),.*/\1/p')" 512 "dirty blocks of 512 after a repair"
fi

# ----- a label: written, read, torn, damaged -----
u=11111111-2222-3333-4444-555555555555
w=" seq=1 set=$u name=n role=cache member=$u size=100000 generation=5 state=closed dirty=0 start=2048 length=64 block_size=128"
w="$w cache_member=$u metadata_member=$u origin_member=- origin_id=PATH=/dev/x origin_size=99 origin_crc=- mode=writeback policy=smq"
w="$w policy_args=- features=- later=kept "
f=$DIR/member
rm -f "$f"
dd if=/dev/urandom of="$f" bs=1024 count=1100 2> /dev/null
st 1 label_read "$f"
st 0 label_new "$f" "$w"
eq "$(dd if="$f" bs=1024 skip=8 count=1016 2> /dev/null | tr -d '\0')" "" \
	"what is behind a new label"
st 0 label_read "$f"
eq "$R" "${w}slot=0 dev=$f " "a new label"
# The first slot is the one that is documented, byte by byte.
dd if="$f" bs=4096 count=1 2> /dev/null | tr -d '\0' > "$DIR/text"
eq "$(head -n 1 "$DIR/text")" "dm-cache label 1" "the first line"
eq "$(sed -n 's/^crc=//p' "$DIR/text")" "$(sed '/^crc=/d' "$DIR/text" | cksum | cut -d' ' -f1)" \
	"the checksum"
gen() { label_read "$f" && get generation "$R" && echo "$R"; }
for g in 6 7 8 9; do
	label_read "$f"
	put "$R" generation $g
	st 0 label_write "$R"
	eq "$(gen)" $g "the generation after a write"
	label_read "$f"
	get later "$R"
	eq "$R" kept "a key that is not known"
	# Torn: any sector of the newer slot is not what it should be; the older label counts then.
	label_read "$f"
	get slot "$R"; s=$R
	cp "$f" "$DIR/whole"
	for sector in 1 0; do
		printf 'dm-cache label 1\nxxx' |
			dd of="$f" bs=512 seek=$((s * 8 + sector)) conv=notrunc 2> /dev/null
		eq "$(gen)" $((g - 1)) "the generation when sector $sector of slot $s is torn"
		cp "$DIR/whole" "$f"
	done
	# Both: damaged, not "no label"
	printf x | dd of="$f" bs=1 seek=100 conv=notrunc 2> /dev/null
	printf x | dd of="$f" bs=1 seek=4196 conv=notrunc 2> /dev/null
	st 2 label_read "$f"
	cp "$DIR/whole" "$f"
	# Another signature over either slot unmakes it.
	for slot in 0 1; do
		dd if=/dev/zero of="$f" bs=512 seek=$((slot * 8)) count=1 conv=notrunc 2> /dev/null
		st 1 label_read "$f"
		cp "$DIR/whole" "$f"
	done
done
# A value that could be, but is not what was written: the checksum tells.
for slot in 0 1; do
	dd if="$f" bs=4096 skip=$slot count=1 2> /dev/null | sed 's/^size=100000/size=900000/' |
		dd of="$DIR/slot" 2> /dev/null
	dd if="$DIR/slot" of="$f" bs=4096 seek=$slot conv=notrunc 2> /dev/null
done
st 2 label_read "$f"
# Values that cannot be, with a right checksum, are damage; a later version is not for us.
for x in 'name=../../etc' 'name=a$(reboot)' 'generation=-1' 'role=king' 'state=x' 'set=short' \
	'generation=9999999999999999' 'policy=a;b'; do
	put "$w" "${x%%=*}" "${x#*=}"
	st 0 label_new "$f" "$R"
	st 2 label_read "$f"
done
put "$w" name ''; label_new "$f" "$R"; st 2 label_read "$f"
LABEL_VERSION=2; st 0 label_new "$f" "$w"
LABEL_VERSION=1; st 3 label_read "$f"
st 0 label_new "$f" "$w"
st 0 label_erase "$f"
st 1 label_read "$f"

# ----- the tab -----
printf '%s\n' '# a comment' '' 'a /dev/x - - -' \
	'	b  UUID=1-2 	/dev/y /dev/z	policy=smq,block-size=256K,migration_threshold=4096,x-systemd.device-timeout=5' 'c PARTUUID=1 none' > "$TAB"
st 0 tab_check
tab_names; eq "$R" "a${NL}b${NL}c$NL" "names in the tab"
st 0 tab_find b
eq "$T_origin:$T_cache:$T_metadata" UUID=1-2:/dev/y:/dev/z "a line of the tab"
st 0 options_parse "$T_options"
eq "$O_policy:$O_block:$O_args" "smq:512:migration_threshold 4096" options
option "$T_options" x-systemd.device-timeout; eq "$R" 5 "an option"
option noauto,a=1 noauto; eq "$R" 1 "a word"
st 1 option noauto,a=1 auto
st 1 tab_find x
for l in 'a /dev/x - -' '-x /dev/x - - -' 'd' 'd /dev/x - - sideways' 'd /dev/x - - mode=x' \
	'd sdb - - -' 'd none - - -' 'd /dev/x - - - more' 'd /dev/x - - block-size=33K'; do
	cp "$TAB" "$DIR/tab.good"
	echo "$l" >> "$TAB"
	st 1 tab_check
	case $R in *"line 6:"*) ;; *) bad "'$l': $R" ;; esac
	cp "$DIR/tab.good" "$TAB"
done
st 0 tab_write 'b NEW - - -' b
eq "$(sed -n 4p "$TAB")" 'b NEW - - -' "a line that was replaced"
st 0 tab_write '' b
eq "$(wc -l < "$TAB")" 4 "lines after a removal"
st 0 tab_write 'n /dev/n - - -' n
eq "$(tail -n 1 "$TAB")" 'n /dev/n - - -' "a new line"
eq "$(head -n 1 "$TAB")" '# a comment' "a comment"
plain 'a b;c'; eq "$R" a_b_c plain
file_of 'PATH=/dev/x'; eq "$R" "$RUN/origin/PATH=%dev%x" "the file of an origin"

# ----- layout -----
C_size=209715200 C_bs= C_wantmeta=
carve
[ $((C_start + C_blocks * C_bs)) -le $C_size ] || bad "the cache goes beyond the device"
[ $((C_mstart + C_mlen)) -le $C_start ] && [ $C_mstart -ge 2048 ] ||
	bad "metadata are not between label and cache"
metadata_sectors $C_blocks
[ $C_mlen -ge "$R" ] || bad "metadata are too small"
exit 0

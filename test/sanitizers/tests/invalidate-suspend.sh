# SPDX-License-Identifier: GPL-2.0-only
# what: suspend, resume and reload in the middle of a long invalidate_cblocks: no crash, no hang
# needs: mem=512
# timeout: 120

. /job/lib-cache.sh
# Slow metadata, so that a message of many blocks takes many commits and a suspend falls between
# them.
nb meta 8 3000000
nb fast 16 0
nb slow 16 0
META=/dev/meta CACHE=/dev/fast ORIGIN=/dev/slow
noise /tmp/data 16

for how in suspend noflush reload; do
	warm 64 512 2 /tmp/data
	make_cache c 64 "metadata2 passthrough" smq
	dmsetup message c 0 invalidate_cblocks 0-512 2> /dev/null &
	message=$!
	n=0
	while [ $n -lt 5 ]; do
		n=$((n + 1))
		sleep 0.05
		case $how in
		suspend) dmsetup suspend c ;;
		noflush) dmsetup suspend --noflush c ;;
		reload) reload_cache c 64 "metadata2 passthrough" smq ;;
		esac
		sleep 0.1
		dmsetup resume c
		kill -0 $message 2> /dev/null || break
	done
	wait $message || :
	note "$how: $n times; $(st_used c) blocks still mapped"
	same /tmp/data /dev/mapper/c "data"
	dmsetup remove --retry c
	check_metadata $META
done

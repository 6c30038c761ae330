# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# What the stack-* tests share.

. /job/lib-cache.sh
PATH=$PATH:/deb12/bin

# mixed DEV MB SEED [MIN]: requests of MIN (512) bytes to 128 KiB, at any sector, many blocks twice;
# then all is read back
mixed() {
	quiet_fio --name=m --filename="$1" --direct=1 --rw=randwrite --bsrange="${4:-512}-128k" \
		--blockalign="${4:-512}" --size="$2m" --io_size="$2m" \
		--verify=crc32c --verify_backlog=64 --do_verify=1 --randseed="$3" --iodepth=16 \
		--ioengine=libaio --serialize_overlap=1
}

# agrees FILE DEV WHAT [ALIGN]: $PIECES (40) pieces of all sizes, written to both; then all of the
# device is as the file
agrees() {
	_i=0 _sectors=$(($(stat -c %s "$1") / 512)) _align=${4:-1}
	while [ $_i -lt "${PIECES:-40}" ]; do
		_i=$((_i + 1))
		_at=$(((_i * 104729 + _i * _i * 7919) % (_sectors - 300) / _align * _align)) \
			_len=$(((_i * 37 % 260 + 1 + _align - 1) / _align * _align))
		dd if=/dev/urandom of=/tmp/piece bs=512 count=$_len iflag=fullblock 2> /dev/null
		write_at "$2" $_at < /tmp/piece || fail "$3: sectors $_at + $_len were not written"
		dd if=/tmp/piece of="$1" bs=512 seek=$_at conv=notrunc 2> /dev/null
	done
	same "$1" "$2" "$3"
}

# limit DEV NAME: of its queue in sysfs
limit() { cat "$(sysfs "$1")/queue/$2"; }

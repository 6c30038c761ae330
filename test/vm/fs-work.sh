# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The body of ext4.sh and xfs.sh, which set $FS.

. /job/lib-cache.sh
modprobe $FS
devices 8 24 400

check_fs() {
	case $FS in
	ext4) e2fsck -fn "$1" > /tmp/fsck 2>&1 ;;
	xfs) xfs_repair -n "$1" > /tmp/fsck 2>&1 ;;
	esac || fail "$2: $1 is damaged: $(tail -n 20 /tmp/fsck)"
}

mount_it() { mkdir -p /mnt/$FS && mount -t $FS "$1" /mnt/$FS; }

# sums DIR: of all files, by name
sums() { (cd "$1" && find . -type f | sort | xargs md5sum | md5sum | cut -d' ' -f1); }

# work DIR SEED: create, rewrite, append, rename, link, truncate, delete; sync now and then
work() {
	mkdir -p "$1"
	python3 -I - "$1" "$2" <<-'END'
	import os, random, sys
	top, rnd = sys.argv[1], random.Random(int(sys.argv[2]))
	names, dirs = [], [top]
	def new(): return os.path.join(rnd.choice(dirs), "f%08x" % rnd.getrandbits(32))
	for i in range(1500):
	    op = rnd.random()
	    if op < 0.4 or not names:
	        n = new()
	        with open(n, "wb") as f: f.write(os.urandom(1024) * rnd.choice((0, 1, 5, 30, 130)))
	        names.append(n)
	    elif op < 0.5:
	        d = os.path.join(rnd.choice(dirs), "d%08x" % rnd.getrandbits(32))
	        os.mkdir(d); dirs.append(d)
	    elif op < 0.65:
	        with open(rnd.choice(names), "ab") as f:
	            f.write(os.urandom(700) * rnd.randrange(40))
	            if rnd.random() < 0.3: f.flush(); os.fsync(f.fileno())
	    elif op < 0.75:
	        with open(rnd.choice(names), "r+b") as f:
	            f.seek(rnd.randrange(20000)); f.write(b"x" * rnd.randrange(9000))
	    elif op < 0.85:
	        n = names.pop(rnd.randrange(len(names))); m = new()
	        os.rename(n, m); names.append(m)
	    elif op < 0.9: os.truncate(rnd.choice(names), rnd.randrange(50000))
	    elif op < 0.93:
	        m = new(); os.link(rnd.choice(names), m); names.append(m)
	    else: os.unlink(names.pop(rnd.randrange(len(names))))
	    if i % 400 == 0: os.sync()
	END
}

format=1
for mode in writeback writethrough; do
	f=$(features_of $format $mode)
	blank
	make_cache c 64 "$f" smq
	case $FS in
	ext4) mkfs.ext4 -q -F /dev/mapper/c ;;
	xfs) mkfs.xfs -q -f /dev/mapper/c ;;
	esac
	mount_it /dev/mapper/c
	work /mnt/$FS/one $format
	cp -r /usr/share /mnt/$FS/share 2> /dev/null ||
		cp -r /usr/lib/python3.11 /mnt/$FS/share 2> /dev/null || cp -r /job /mnt/$FS/share
	sum=$(sums /mnt/$FS)
	umount /mnt/$FS
	note "$FS, $mode: $(dmsetup status c | cut -d' ' -f7-14)"
	check_fs /dev/mapper/c "after the first work ($mode)"
	dmsetup remove c

	make_cache c 64 "$f" smq
	mount_it /dev/mapper/c
	assert_eq "$(sums /mnt/$FS)" "$sum" "sums of all files after re-creation ($mode)"
	work /mnt/$FS/two $((format + 10))
	rm -r /mnt/$FS/one
	sum=$(sums /mnt/$FS)
	umount /mnt/$FS
	check_fs /dev/mapper/c "after re-creation ($mode)"

	# Detach: clean, remove; what is left is a file system on the origin.
	clean_all c 64 "$f"
	dmsetup remove c
	check_metadata $META
	check_fs $ORIGIN "the origin alone ($mode)"
	mount_it $ORIGIN
	assert_eq "$(sums /mnt/$FS)" "$sum" "sums of all files on the origin alone ($mode)"
	umount /mnt/$FS
	format=2
done

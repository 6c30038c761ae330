# SPDX-License-Identifier: GPL-2.0-only
# what: metadata that cannot be written, flushed or read, under load: read-only or Fail, said, no
#       hang; all that was flushed comes back
# durability: yes
# timeout: 200
# long: four writers for seconds, three times; 42 s of CPU
# stock: no
# files: test/tools/pwriter.py

. /job/lib-fail.sh
below_all "4 4" 4 8
nb log 1 0

# --- under load: four writers, which know what was acknowledged ---
# All the time there are promotions, demotions and dirty bits.
for how in gone unflushable bad_leaf; do
	blank
	zero $ORIGIN 8
	zero /dev/log 1
	make_cache c 64 metadata2 lru
	python3 -I /job/pwriter.py write /dev/log 5 /dev/mapper/c > /tmp/writers 2>&1 &
	w=$!
	wait_for '[ "$(st_demotions c)" -ge 3 ]' 20
	dmesg_mark
	ev=$(events c)
	case $how in bad_leaf) mode=ro; bad_leaf ;; *) mode=Fail; $how m ;; esac
	wait_for '[ "$(st_mode c)" != rw ]' 20
	s=0
	wait $w || s=$?
	[ $mode = Fail ] || assert_eq "$s" 0 "writers, metadata read-only"
	metadata_failed $mode "$how under load"
	metadata_again $mode metadata2
	quietly python3 -I /job/pwriter.py check /dev/log /dev/mapper/c
	note "$how:$(cat /tmp/quietly.out)"
	# A dirty block that was taken for a clean one would show now.
	clean_all c 64 metadata2
	dmsetup remove c
	quietly python3 -I /job/pwriter.py check /dev/log $ORIGIN
done
check_metadata $META

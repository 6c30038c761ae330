# SPDX-License-Identifier: GPL-2.0-only
# what: suspend, with and without flush, while promotions, writebacks and demotions are under way,
#       slow or failing: it ends, no data is lost
# timeout: 180
# long: nine suspends that wait for slow copies; 50 s of CPU
# stock: no

. /job/lib-fail.sh
below_all 4 4 6
noise /tmp/data 6

# What dm-delay holds back.
in_flight() { dmsetup status --noflush "$1" | awk '{ print $4 + $5 + $6 + 0 }'; }
# copying NAME: copies to that device hang in it now; the disk below fails them if this is a round
# of failures
copying() {
	wait_for "[ \"\$(in_flight $1)\" -ge 4 ]" 20
	[ $how = slow ] || bad "$1" 0 "$(sectors "/dev/${1}0")"
}
# suspended NAME WHAT: ends in time, and then nothing moves; copies to NAME work from now on;
# resumed
suspended() {
	t=$(date +%s)
	assert timeout 60 dmsetup suspend $option c
	assert_num $(($(date +%s) - t)) -le 20 "seconds of suspend $option, $2"
	assert_eq "$(in_flight m) $(in_flight f) $(in_flight s)" "0 0 0" \
		"I/O under way while suspended, $2"
	n="$(ios m) $(ios f) $(ios s)"
	sleep 0.5
	assert_eq "$(ios m) $(ios f) $(ios s)" "$n" "I/O while suspended, $2"
	left=$(st_dirty c)
	[ $how = slow ] || good "$1" 0 "$(sectors "/dev/${1}0")"
	back "$1"
	dmsetup resume c
	[ -z "$readers" ] || wait "$readers" || [ "$how$1" = failings ] ||
		fail "reads of what is not cached, $2"
	assert_eq "$(st_mode c)" rw "mode, $2"
}

for round in "slow " "slow --noflush" "failing --noflush"; do
	how=${round% *} option=${round#* }
	note "$how, suspend $option"

	# Promotions, and a write that may have to wait for one.
	warm 64 32 2 /tmp/data
	make_cache c 64 metadata2 lru
	slow f 1500
	read_blocks c 64 32 90 &
	readers=$!
	copying f
	if [ $how = slow ]; then
		page "$round" > /tmp/page
		dd if=/tmp/page of=/tmp/data bs=32k seek=60 conv=notrunc 2> /dev/null
		write_at /dev/mapper/c $((60 * 64)) < /tmp/page &
		w=$!
	fi
	suspended f "$how promotions"
	[ $how = failing ] || wait $w || fail "a write while promotions were slow"
	same /tmp/data /dev/mapper/c "$how promotions"
	dmsetup remove c

	# Writebacks: those that are under way end, and no others begin.
	warm 64 128 2 /tmp/data true
	zero $ORIGIN 4
	slow s 1500
	readers=
	make_cache c 64 metadata2 cleaner
	copying s
	suspended s "$how writebacks"
	assert_num "$left" -ge 32 "dirty blocks of 128 at the suspend, $how writebacks"
	same /tmp/data /dev/mapper/c "$how writebacks"
	dmsetup remove c

	# Demotions of dirty blocks.
	warm 64 128 2 /tmp/data true
	zero $ORIGIN 4
	make_cache c 64 metadata2 lru
	slow s 1500
	read_blocks c 64 128 60 &
	readers=$!
	copying s
	suspended s "$how demotions"
	same /tmp/data /dev/mapper/c "$how demotions"
	clean_all c 64 metadata2
	dmsetup remove c
	same /tmp/data $ORIGIN "the origin, after $how demotions"
done
check_metadata $META

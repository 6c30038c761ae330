# SPDX-License-Identifier: GPL-2.0-only
# selftest: PASS
# what: what is new in the kernel log is found where the log has dropped its oldest lines, even
#       those of the mark

flood() {
	_i=0
	while [ $_i -lt 700 ]; do
		echo "flood $_i $LONG" > /dev/kmsg
		_i=$((_i + 1))
	done
}
LONG=$(printf '%0900d' 0)
# Not to the console: a serial line is slow.
echo 1 > /proc/sys/kernel/printk

dmesg_mark
assert_eq "$(dmesg_new | grep -c .)" 0 "lines after a mark"
flood
# The mark is gone by now, and so is nothing that is new and still there.
echo "one line" > /dev/kmsg
assert_dmesg 'one line'
dmesg_mark
if dmesg_new | grep -q 'one line'; then fail "what came before the mark is new"; fi
flood
dmesg_mark
echo "another line" > /dev/kmsg
assert_eq "$(dmesg_new | grep -c .)" 1 "new lines"
assert_dmesg 'another line'

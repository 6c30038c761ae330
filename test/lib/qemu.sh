# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # used where it is sourced
#
# Starts guests, waits for them and ends them. Sourced by host.sh. A runner says what its guest has;
# what is the same for all, and why, is here.

# The kernel of K as QEMU takes it: without its compression, if that worked.
qemu_kernel() {
	local f=$WORK/kernels/$1/vmlinux
	if [ -e "$f" ]; then echo "$f"; else echo "$WORK/kernels/$1/vmlinuz"; fi
}

# QEMU translates code once per virtual address: with programs at other addresses each time
# (norandmaps), a guest that starts many takes half as long.
GUEST_APPEND="quiet loglevel=4 panic=-1 oops=panic no_timer_check tsc=reliable mitigations=off"
GUEST_APPEND+=" random.trust_cpu=on nowatchdog audit=0 norandmaps init_on_alloc=0 net.ifnames=0"
# One thread a CPU of the guest; --icount replaces it.
QEMU_ACCEL=(-accel "tcg,thread=multi")

# qemu KERNEL INITRD CPUS MB "KERNEL ARGUMENTS" OPTION...: becomes the guest; call it in the
# background. Its `rep movsb` (erms) would go byte by byte, its `rep movsq` goes by eight. A socket
# each: a kernel without ACPI reads the BIOS's older table of CPUs, which has one of each socket.
qemu() {
	local kernel=$1 initrd=$2 cpus=$3 mb=$4 append=$5 slow
	shift 5
	slowness
	# Of a thread that another program on this host keeps from running, RCU would say that it is
	# starved.
	append+=" rcupdate.rcu_cpu_stall_timeout=$((21 * slow < 300 ? 21 * slow : 300))"
	exec qemu-system-x86_64 "${QEMU_ACCEL[@]}" -M pc,hpet=off -cpu max,-la57,-erms \
		-smp "$cpus,sockets=$cpus" -m "$mb" -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$kernel" -initrd "$initrd" -append "$GUEST_APPEND $append" "$@" < /dev/null
}

# Looked at several times a second for each guest, so this starts no process: a host that runs many
# guests would spend more on that than on the guests.
exec {never}<> <(:)
pause() { read -rt "$1" -u "$never"; }

# Sets slow to how many threads want each CPU of this host, 1 to 10. All limits of time are so many
# times as long: what a guest cannot do because the host is busy is no fault of the test.
cpus=$(nproc)
slowness() {
	local load
	read -r load _ < /proc/loadavg
	slow=$(((${load%.*} + cpus - 1) / cpus))
	[ $slow -ge 1 ] || slow=1
	[ $slow -le 10 ] || slow=10
}

# guest_wait PID SECONDS COMMAND...: until COMMAND succeeds (status 0), the guest has ended (1), or
# so many seconds of an idle host are over (2). The seconds that it took are added to guest_used.
guest_wait() {
	local pid=$1 limit=$2 used=0 last=$SECONDS st=0 slow
	shift 2
	until "$@"; do
		if ! kill -0 "$pid" 2> /dev/null; then
			# It may have said its last word between the last look and its end.
			"$@" || st=1
			break
		fi
		[ $used -lt $((limit * 100)) ] || { st=2; break; }
		pause 0.2
		[ $SECONDS != "$last" ] || continue
		slowness
		used=$((used + (SECONDS - last) * 100 / slow)) last=$SECONDS
	done
	guest_used=$((${guest_used:-0} + used / 100))
	return $st
}

# guest_end PID: ends it, if it has not ended. Sets guest_crashed if the emulator had died of a
# signal that is not of guest_end.
guest_end() {
	guest_crashed=
	# Of a child that has ended, bash keeps the status and gives the number back.
	if kill -9 "$1" 2> /dev/null; then
		wait "$1" 2> /dev/null
	else
		wait "$1" 2> /dev/null
		[ $? -lt 128 ] || guest_crashed=1
	fi
}

# emulator_fault KERNEL-LOG: is it what the emulator does wrong, on a busy host, and no test can be
# blamed for? Then the test is run once more, from new disks. Two are known:
# - when a kernel changes its code, it puts a breakpoint on an instruction for a moment, and QEMU
#   lets another CPU run into that when the instruction is whole again: an oops of int3, where the
#   byte before the one that is marked as the next is no breakpoint (cc);
# - a CPU that sleeps is not woken by its timer: RCU says that its thread was not woken, and nothing
#   on any stack is of our modules.
emulator_fault() {
	local woken='rcu_[a-z]+ kthread (starved|timer wakeup didn.t happen) for'
	grep -q 'int3: 0000' "$1" &&
		grep -m 1 'Code: ' "$1" | grep -qE ' ([^c][0-9a-f]|.[^c]) <[0-9a-f]{2}>' && return 0
	grep -qE "$woken" "$1" && ! grep -qE '\+0x.*\[dm_cache' "$1"
}

# SPDX-License-Identifier: GPL-2.0-only
#
# Runs in the guest before each test, in the shell of the guest's wrap; end.sh runs behind the test.

# shellcheck disable=SC2154 # the runner sets KERNEL
case $KERNEL in
*-kcsan) debug_kind=kcsan ;;
*) debug_kind=debug ;;
esac

# What means a hang on a stock kernel may just be slow here, on an emulated CPU under KASAN and
# lockdep.
echo 180 > /proc/sys/kernel/hung_task_timeout_secs
echo 120 > /sys/module/workqueue/parameters/watchdog_thresh
# One scan at the end, not one in the middle of a test.
[ "$debug_kind" != debug ] || echo scan=off > /sys/kernel/debug/kmemleak
# Not from the start: the boot's own races are others'.
[ "$debug_kind" != kcsan ] || echo on > /sys/kernel/debug/kcsan
# shellcheck disable=SC2034 # end.sh uses it
debug_started=$(cut -d. -f1 /proc/uptime)

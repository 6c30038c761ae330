# SPDX-License-Identifier: GPL-2.0-only
#
# Goes before the guest's wrap, in the same shell; end.sh runs when that shell ends. $debug_kind: debug or kcsan.

# What means a hang on a stock kernel may just be slow here, on an emulated CPU under KASAN and lockdep.
echo 180 > /proc/sys/kernel/hung_task_timeout_secs
echo 120 > /sys/module/workqueue/parameters/watchdog_thresh
# One scan at the end, not one in the middle of a test.
# shellcheck disable=SC2154 # run sets it
[ "$debug_kind" != debug ] || echo scan=off > /sys/kernel/debug/kmemleak
# Not from the start: the boot's own races are others'.
[ "$debug_kind" != kcsan ] || echo on > /sys/kernel/debug/kcsan
# shellcheck disable=SC2034 # end.sh uses it
debug_started=$(cut -d. -f1 /proc/uptime)

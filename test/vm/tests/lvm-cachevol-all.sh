# SPDX-License-Identifier: GPL-2.0-only
# what: lvm2 of Debian 12 and 13: a single volume as cache (cachevol), writeback and writethrough,
#       split, uncached, restarted
# long: two minutes; lvm-cachevol is the short one
# timeout: 300
# files: test/vm/lvm-work.sh

DEBIANS="12 13" MODES="writeback writethrough"
. /job/lvm-work.sh

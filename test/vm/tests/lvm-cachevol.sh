# SPDX-License-Identifier: GPL-2.0-only
# what: lvm2 of Debian 12: a single volume as cache (cachevol), writeback, split, joined again,
#       uncached, restarted
# needs: smp=1
# files: test/vm/lvm-work.sh

DEBIANS=12 MODES=writeback
. /job/lvm-work.sh

# SPDX-License-Identifier: GPL-2.0-only
# what: cache_check, _dump, _restore, _repair, _writeback, _metadata_size 1.x of Debian 13 on
#       metadata of ours, and back
# needs: smp=1
# stock: no
# timeout: 180
# files: test/vm/tools-work.sh

T=/tpt1 VERSION=1
. /job/tools-work.sh

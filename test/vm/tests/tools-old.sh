# SPDX-License-Identifier: GPL-2.0-only
# what: cache_check, _dump, _restore, _repair, _writeback, _metadata_size 0.9 of Debian 12 on
#       metadata of ours, and back
# stock: no
# timeout: 180
# long: the tools of tools-new are newer, and the likelier ones
# files: test/vm/tools-work.sh

T=/usr/sbin VERSION=0.9
. /job/tools-work.sh

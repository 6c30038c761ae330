# SPDX-License-Identifier: GPL-2.0-only
# what: ext4 on the cache: many small files, fsck clean; after re-creation; and on the origin alone
#       when detached
# timeout: 300
# files: test/vm/fs-work.sh

FS=ext4
. /job/fs-work.sh

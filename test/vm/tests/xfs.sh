# SPDX-License-Identifier: GPL-2.0-only
# what: xfs on the cache: many small files, repair finds nothing; after re-creation; and on the
#       origin alone when detached
# needs: mem=1024
# timeout: 300
# files: test/vm/fs-work.sh

FS=xfs
. /job/fs-work.sh

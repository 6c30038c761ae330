# SPDX-License-Identifier: GPL-2.0-only
# what: load, resume, suspend and memory of a cache of a million mapped blocks, with ours
# needs: mem=1536
# timeout: 3600
# files: test/bench/build/iocost test/bench/build/million.img.gz test/bench/guest.sh
#        test/bench/activate.sh

. /job/activate.sh
use_ours
rows ours

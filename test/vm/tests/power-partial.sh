# SPDX-License-Identifier: GPL-2.0-only
# what: power cuts at random moments as of power-random, with partial blocks in all caches
#       that write back: a write that was flushed is there, and what is read stays as it is
# stock: no
# durability: yes
# needs: mem=384
# disks: 12M:any,24M:any,97M:any,64M
# timeout: 240
# boots: 6
# files: test/vm/lib-cache.sh test/vm/lib-fail.sh test/vm/power-work.sh
# builds: test/tools/power-load.c

ALWAYS=1
. /job/power-work.sh

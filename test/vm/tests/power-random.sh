# SPDX-License-Identifier: GPL-2.0-only
# what: ten power cuts at random moments, three disks that lose any part of what was not flushed: no
#       sector is lost, foreign, or changes later
# durability: yes
# needs: mem=384
# disks: 12M:any,24M:any,97M:any,64M
# timeout: 240
# boots: 11
# files: test/vm/lib-cache.sh test/vm/lib-fail.sh test/vm/power-work.sh
# builds: test/tools/power-load.c

. /job/power-work.sh

# SPDX-License-Identifier: GPL-2.0-only
# what: ten hibernations under load
# needs: smp=2 mem=384
# disks: 16M,24M,97M,64M,256M
# hibernates: disk4
# timeout: 90
# boots: 11
# long: as hibernate, which is twice and says the same
# files: test/vm/tests/hibernate.sh test/vm/hibernate-stage.sh
# builds: test/tools/power-load.c

. /job/hibernate.sh

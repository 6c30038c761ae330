# SPDX-License-Identifier: GPL-2.0-only
# what: a data race in the code of others: forgiven
# needs: smp=2
# timeout: 120
# files: other_race.ko

insmod /job/other_race.ko
sleep 8
rmmod other_race

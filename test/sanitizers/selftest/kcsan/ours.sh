# SPDX-License-Identifier: GPL-2.0-only
# what: a data race in a module of ours: passes by its own account, and must be failed
# needs: smp=2
# timeout: 120
# files: dm_cache_race.ko

insmod /job/dm_cache_race.ko
sleep 8
rmmod dm_cache_race

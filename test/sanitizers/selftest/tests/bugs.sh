# SPDX-License-Identifier: GPL-2.0-only
# what: a module full of bugs is loaded: this test passes by its own account, and must be failed by
#       the detectors
# timeout: 120
# files: bugs.ko

insmod /job/bugs.ko
rmmod bugs

# SPDX-License-Identifier: GPL-2.0-only
# what: a kernel that is given no time to start, once more
# selftest: the kernel did not start, twice
# mute: 0
:

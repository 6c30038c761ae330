# SPDX-License-Identifier: GPL-2.0-only
# what: a power cut in the last boot proves nothing
# selftest: power cut in the last boot
power_cut

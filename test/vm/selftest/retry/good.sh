# SPDX-License-Identifier: GPL-2.0-only
# what: passes
sleep 1

# SPDX-License-Identifier: GPL-2.0-only
# what: passes, too; where kernels differ
# kernels-differ: it says so
sleep 1

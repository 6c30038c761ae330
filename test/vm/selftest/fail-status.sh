# SPDX-License-Identifier: GPL-2.0-only
# what: a script that ends with a status
# selftest: exit status 3
exit 3

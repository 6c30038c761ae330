# SPDX-License-Identifier: GPL-2.0-only
# what: fails each time
echo "FAILED: wrong"
exit 1

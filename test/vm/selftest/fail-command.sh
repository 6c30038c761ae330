# SPDX-License-Identifier: GPL-2.0-only
# what: a command in the middle that fails
# selftest: exit status 1
false
echo "never here"

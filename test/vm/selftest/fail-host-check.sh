# SPDX-License-Identifier: GPL-2.0-only
# what: rubbish on a disk that the host decodes
# selftest: decoder refuses the metadata
# disks: 4M
# host-check: disk0 metadata
yes | dd of="$DISK0" bs=4096 count=1 iflag=fullblock oflag=direct 2> /dev/null

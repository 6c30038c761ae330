# SPDX-License-Identifier: GPL-2.0-only
# what: / on a cache, by initramfs-tools: a labelled set, found by the label of its filesystem;
#       clean shutdown, power cut
# disks: slow:root,fast:64M
# boots: 4
# timeout: 300
# boot2: initrd=tools without=root append root=LABEL=dmcroot
# boot3: initrd=tools without=root append root=LABEL=dmcroot
# boot4: initrd=tools without=root append root=LABEL=dmcroot
# files: test/boot/root-work.sh test/boot/root-files.sh
. /run/job/root-work.sh

# SPDX-License-Identifier: GPL-2.0-only
# what: / on a cache, by dracut: a labelled set, found by the label of its filesystem; stopped by
#       dracut at shutdown, power cut
# disks: slow:root,fast:64M,initrd:initrd.dracut
# boots: 4
# timeout: 300
# boot2: initrd=dracut without=root append root=LABEL=dmcroot
# boot3: initrd=dracut without=root append root=LABEL=dmcroot
# boot4: initrd=dracut without=root append root=LABEL=dmcroot
# files: test/boot/root-work.sh test/boot/root-files.sh
STOPPED=1
. /run/job/root-work.sh

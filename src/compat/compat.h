/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The newest kernel's interfaces, on older kernels.
 *
 * Force-included in front of every file of every module. The files themselves are written for the
 * newest kernel and hold no feature test: what an older kernel lacks is supplied here, under the
 * upstream name and with upstream's newest arguments. Whether it lacks it is found by compiling
 * probe/NAME.c (-> HAVE_NAME in the generated config.h), never by version number; for what no
 * header tells, by looking into Module.symvers ("exports" in probe.sh -> HAVE_EXPORT_NAME).
 *
 * Each entry says since when upstream has it, and which kernel's end lets the entry go.
 * What has no upstream form that an old kernel could take is a compat_ helper.
 *
 *   fallback/linux/   headers that old kernels do not have, for the names of the newest
 *   compat-lib.h      atomics, memory, arithmetic, strings
 *   compat-bio.h      bios
 *   compat-blk.h      block devices and their limits
 *   compat-dm.h       device-mapper: targets, dm-bufio, dm-io
 *
 * What an old kernel cannot do, all of it:
 *   - dm-bufio before 3.14 has no dm_bufio_forget(): a metadata block that was found damaged is
 *     found so again until dm-bufio drops it by itself. Errors are reported all the same, never
 *     wrong data.
 *   - a target before 3.19 is not told when a suspend fails (presuspend_undo); there migrations
 *     stop in postsuspend instead of presuspend, so a suspend under load takes a little longer.
 *   - before 3.19, lvm2 cannot take the last snapshot off a cached volume in use: see activate.c,
 *     "take over".
 *   - before 4.3, a device-mapper device over one with a merge function (md) gets bios of one page,
 *     since a cache has no single device that its .merge could ask. Slower there, not wrong.
 */
#ifndef DMC_COMPAT_H
#define DMC_COMPAT_H

#include "config.h"

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/dm-bufio.h>
#include <linux/dm-io.h>
#include <linux/dm-kcopyd.h>
#include <linux/highmem.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "compat-lib.h"
#include "compat-blk.h"
#include "compat-bio.h"
#include "compat-dm.h"

#endif /* DMC_COMPAT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* What every probe may use; compiled once. */
#ifndef DMC_PROBE_PROLOGUE_H
#define DMC_PROBE_PROLOGUE_H

#include <linux/module.h>
#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/dm-bufio.h>
#include <linux/dm-io.h>
#include <linux/dm-kcopyd.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#endif

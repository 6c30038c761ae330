/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * damage.h - the errors by which a caller may tell what is wrong with what is on the disk: that it
 * is damaged, that there is no room for it, or that it is not there.
 *
 * Each has one cause, and nothing in this project returns its errno for another: an argument that
 * makes no sense is -EINVAL, a table that does not suit healthy metadata is -EINVAL, -EBUSY or
 * -EFBIG, and whatever a device answers to a request becomes -EIO in block-manager.c (a bad medium
 * would be -ENODATA, bad protection data -EILSEQ, a pool without space -ENOSPC).  So repair is
 * advised, and hints are given up, for damage alone; metadata counts as full, which a cache copes
 * with, only if it is; and a key counts as missing only if the tree was read and does not have it.
 */
#ifndef DMC_DAMAGE_H
#define DMC_DAMAGE_H

#include <linux/errno.h>
#include <linux/types.h>

#define DMC_DAMAGED (-EILSEQ)	/* checksum, kind, or content that contradicts itself */
#define DMC_MISPLACED (-ENOTBLK)	/* the block says that it is another one */
#define DMC_NOWHERE (-ENXIO)	/* a reference to a block that the device does not have */

/* No damage: the device has too few blocks for what is on it, or is to be. */
#define DMC_NO_ROOM (-ENOSPC)

/* Neither: there is no such key or index, or it is beyond the end.  The caller decides on it. */
#define DMC_NO_ENTRY (-ENODATA)

/**
 * dmc_is_damage() - Does an error say that what is on the disk is damaged?
 * @r: what a call returned
 *
 * Context: Any.
 * Return: true if it does: repair is worth a try.  False for 0 and for all other errors.
 */
static inline bool dmc_is_damage(int r)
{
	return r == DMC_DAMAGED || r == DMC_MISPLACED || r == DMC_NOWHERE;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What a test can set in the simulated dm-bufio. */
#ifndef SHIM_BUFIO_H
#define SHIM_BUFIO_H

#include <linux/dm-bufio.h>

/* Buffers that a client keeps before it evicts; for clients created later. */
void shim_bufio_set_cache(unsigned int buffers);
/* At every @every-th read or new, one dirty buffer is written, held or not; 0 = never. */
void shim_bufio_set_early_writes(unsigned int every);
unsigned int shim_bufio_held(void);	/* buffers held now, over all clients */
unsigned int shim_bufio_clients(void);	/* clients alive */

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * s3fifo-parts.c - this module's own copy of what policies share; see mq-parts.c.
 */
#include "lib/policy-queues.c"
#include "lib/tunables.c"

// SPDX-License-Identifier: GPL-2.0-only
/*
 * payback-parts.c - this module's own copy of what policies share; see mq-parts.c.
 */
#include "miniature.c"
#include "pool.c"
#include "policy-util.c"

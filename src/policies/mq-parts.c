// SPDX-License-Identifier: GPL-2.0-only
/*
 * mq-parts.c - this module's own copy of what policies share.  kbuild wants an object to
 * belong to one module, and exporting the parts would make them an interface.
 */
#include "lib/mq-common.c"
#include "lib/candidates.c"
#include "lib/tunables.c"

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_SORT_H
#define SHIM_LINUX_SORT_H
#define sort(base, n, size, cmp, swp) qsort(base, n, size, cmp)
#endif

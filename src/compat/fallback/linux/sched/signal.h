/* SPDX-License-Identifier: GPL-2.0-only */
/* For kernels where <linux/sched.h> holds all of it (before 4.11). */
#include <linux/sched.h>

/* SPDX-License-Identifier: GPL-2.0-only */
/* version.h - the project's version, as in dkms.conf and modinfo. */
#ifndef DMC_VERSION_H
#define DMC_VERSION_H

#define DMC_VERSION "0.2.0"

#endif

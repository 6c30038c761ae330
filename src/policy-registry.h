/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy-registry.h - finds, loads and pins a policy module; policy-registry.c.
 *
 * Contexts: process; a module may be loaded.
 */
#ifndef DM_CACHE_POLICY_REGISTRY_H
#define DM_CACHE_POLICY_REGISTRY_H

struct dmc_policy_type;

struct dmc_policy_type *policy_type_get(const char *name);
void policy_type_put(struct dmc_policy_type *type);

#endif

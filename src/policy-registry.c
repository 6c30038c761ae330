// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy-registry.c - find, load and pin a policy module by name.
 *
 * Called at table load (policy_type_get), removal (policy_type_put), and by policy modules as they
 * come and go.  A type handed out holds a reference on its module, taken under the lock, so a
 * module cannot leave between being found and being pinned.
 *
 * Locks: registry_lock, a leaf.
 */
#include "dm-cache.h"
#include "policy-registry.h"
#include <linux/kmod.h>
#include <linux/module.h>

struct registered {
	struct list_head list;
	struct dmc_policy_type *type;
};

static DEFINE_SPINLOCK(registry_lock);
static LIST_HEAD(registry);

static struct registered *find_locked(const char *name)
{
	struct registered *r;

	lockdep_assert_held(&registry_lock);
	list_for_each_entry(r, &registry, list)
		if (!strcmp(r->type->name, name))
			return r;
	return NULL;
}

static bool name_is_good(const char *name)
{
	return name && *name && strlen(name) < DMC_POLICY_NAME_LEN;
}

int dmc_policy_register(struct dmc_policy_type *type)
{
	struct registered *r;
	int err = 0;

	if (!name_is_good(type->name) || !name_is_good(dmc_policy_stored_name(type)) ||
	    (type->hint_size != 0 && type->hint_size != 4)) {
		DMERR("policy '%s': bad name or hint size %u", type->name ?: "", type->hint_size);
		return -EINVAL;
	}
	r = kmalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	r->type = type;

	spin_lock(&registry_lock);
	if (find_locked(type->name))
		err = -EEXIST;
	else
		list_add(&r->list, &registry);
	spin_unlock(&registry_lock);

	if (err) {
		DMERR("policy '%s' is registered already", type->name);
		kfree(r);
	}
	return err;
}
EXPORT_SYMBOL_GPL(dmc_policy_register);

void dmc_policy_unregister(struct dmc_policy_type *type)
{
	struct registered *r;

	spin_lock(&registry_lock);
	r = find_locked(type->name);
	if (r)
		list_del(&r->list);
	spin_unlock(&registry_lock);
	kfree(r);
}
EXPORT_SYMBOL_GPL(dmc_policy_unregister);

static struct dmc_policy_type *get_loaded(const char *name)
{
	struct dmc_policy_type *type = NULL;
	struct registered *r;

	spin_lock(&registry_lock);
	r = find_locked(name);
	if (r && try_module_get(r->type->owner))
		type = r->type;
	spin_unlock(&registry_lock);
	return type;
}

/* The name may come from a disk: it must not be an option of modprobe, or the like. */
static bool name_is_plain(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

/*
 * May sleep, and load a module.  NULL: there is no such policy.  Give back with policy_type_put().
 */
struct dmc_policy_type *policy_type_get(const char *name)
{
	struct dmc_policy_type *type;

	if (!name_is_good(name) || !name_is_plain(name))
		return NULL;
	type = get_loaded(name);
	if (!type) {
		request_module("dm-cache-%s", name);
		type = get_loaded(name);
	}
	return type;
}

void policy_type_put(struct dmc_policy_type *type)
{
	module_put(type->owner);
}

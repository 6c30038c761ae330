// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - "dmsetup status" and "dmsetup table".
 *
 * The status line is an interface that libdevmapper parses; its fields and their order must not
 * change:
 *
 *   <metadata block size> <used>/<total metadata blocks>
 *   <cache block size> <used>/<total cache blocks>
 *   <read hits> <read misses> <write hits> <write misses> <demotions> <promotions> <dirty>
 *   <#features> <features>* <#core args> <core args>* <policy> <#policy args> <policy args>*
 *   <rw|ro|Fail> <needs_check|->
 *
 * or the one word Fail.  Called in process context, at any time; takes no lock and does no I/O: the
 * metadata's numbers are those of the last commit.
 */
#include "dm-cache.h"
#include "partial.h"
#include "target.h"

static const char * const mode_words[] = {
	[IO_WRITEBACK] = "writeback",
	[IO_WRITETHROUGH] = "writethrough",
	[IO_PASSTHROUGH] = "passthrough",
};

static unsigned int emit_counters(struct cache *c, char *result, unsigned int maxlen)
{
	struct dmc_md_stats s;
	unsigned int sz = 0;

	stats_for_disk(c, &s);
	DMEMIT("%u %llu/%llu %u %u/%u %llu %llu %llu %llu %llu %llu %u ",
	       DMC_MD_BLOCK_SECTORS, c->md_used, c->md_total,
	       c->geo.block_sectors, (unsigned int)atomic_read(&c->table.nr_mapped),
	       c->geo.nr_cblocks, s.read_hits, s.read_misses, s.write_hits, s.write_misses,
	       (u64)atomic64_read(&c->mg.nr_demotions), (u64)atomic64_read(&c->mg.nr_promotions),
	       (unsigned int)atomic_read(&c->nr_dirty));
	return sz;
}

/*
 * Two features are shown as they are in effect, whatever the table asked for: the format of the
 * metadata, and whether discards reach the origin, which may not take any.  lvm2 reports both from
 * here.
 */
static unsigned int emit_features(struct cache *c, char *result, unsigned int maxlen)
{
	bool format2 = c->md_version ? c->md_version == 2 : c->metadata2;
	unsigned int sz = 0;

	DMEMIT("%u ", 1 + format2 + !c->discards.passdown);
	if (format2)
		DMEMIT("metadata2 ");
	DMEMIT("%s ", mode_words[c->io_mode]);
	if (!c->discards.passdown)
		DMEMIT("no_discard_passdown ");
	return sz;
}

/* What is 0 is not shown: pairs, as libdevmapper expects them here. */
static unsigned int emit_core_args(struct cache *c, char *result, unsigned int maxlen)
{
	const struct partials *p = c->partials;
	const struct {
		const char *name;
		u64 value;
	} pairs[] = {
		{ "write_allocate", READ_ONCE(p->percent) },
		{ "partial_blocks", READ_ONCE(p->nr) },
		{ "partial_allocated", atomic64_read(&p->nr_allocated) },
		{ "partial_filled", atomic64_read(&p->nr_filled) },
		{ "partial_dropped", atomic64_read(&p->nr_dropped) },
		{ "partial_no_room", atomic64_read(&p->nr_refused[PARTIAL_NO_ROOM]) },
		{ "partial_no_free", atomic64_read(&p->nr_refused[PARTIAL_NO_FREE]) },
		{ "partial_unaligned", atomic64_read(&p->nr_refused[PARTIAL_UNALIGNED]) },
		{ "partial_no_metadata", atomic64_read(&p->nr_refused[PARTIAL_NO_METADATA]) },
		{ "partial_not_wanted", atomic64_read(&p->nr_refused[PARTIAL_NOT_WANTED]) },
		{ "cache_errors", (u32)atomic_read(&c->errors.nr[ERR_CACHE]) },
		{ "origin_errors", (u32)atomic_read(&c->errors.nr[ERR_ORIGIN]) },
		{ "dirty_read_errors", (u32)atomic_read(&c->errors.nr[ERR_DIRTY]) },
		{ "retired_blocks", READ_ONCE(c->free.retired.nr) },
	};
	unsigned int sz = 0, nr = 2, i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		nr += pairs[i].value ? 2 : 0;
	DMEMIT("%u migration_threshold %u ", nr, READ_ONCE(c->migration_threshold));
	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		if (pairs[i].value)
			DMEMIT("%s %llu ", pairs[i].name, pairs[i].value);
	return sz;
}

static unsigned int emit_policy(struct cache *c, char *result, unsigned int maxlen)
{
	const struct dmc_policy_type *t = c->policy->type;
	unsigned int sz = 0;

	sz += emit_core_args(c, result, maxlen);
	DMEMIT("%s ", t->name);
	if (t->emit_config && sz < maxlen)
		sz += t->emit_config(c->policy, result + sz, maxlen - sz);
	else
		DMEMIT("0");
	return sz;
}

static void emit_info(struct cache *c, char *result, unsigned int maxlen)
{
	unsigned int sz = 0;

	if (cache_md_mode(c) == MD_FAIL) {
		DMEMIT("Fail");
		return;
	}
	sz += emit_counters(c, result, maxlen);
	sz += emit_features(c, result + sz, maxlen - sz);
	sz += emit_policy(c, result + sz, maxlen - sz);
	DMEMIT(" %s %s", mode_name(cache_md_mode(c)), c->needs_check ? "needs_check" : "-");
}

static void emit_table(struct cache *c, char *result, unsigned int maxlen)
{
	unsigned int sz = 0, i;

	DMEMIT("%s %s %s", c->metadata_dev->name, c->cache_dev->name, c->origin_dev->name);
	for (i = 0; i < c->nr_ctr_args; i++)
		DMEMIT(" %s", c->ctr_args[i]);
}

static char yes_no(bool yes)
{
	return yes ? 'y' : 'n';
}

/*
 * For IMA: what the table asks for, measured when it is loaded.  The fields and their order are
 * those of dm-ima in the kernel's documentation: an attestation compares the text.
 */
static void emit_ima(struct cache *c, char *result, unsigned int maxlen)
{
	enum md_mode mode = cache_md_mode(c);
	unsigned int sz = 0;

	DMEMIT_TARGET_NAME_VERSION(c->ti->type);
	DMEMIT(",metadata_mode=%s", mode == MD_FAIL ? "fail" : mode_name(mode));
	DMEMIT(",cache_metadata_device=%s,cache_device=%s,cache_origin_device=%s",
	       c->metadata_dev->name, c->cache_dev->name, c->origin_dev->name);
	DMEMIT(",writethrough=%c,writeback=%c,passthrough=%c",
	       yes_no(c->io_mode == IO_WRITETHROUGH), yes_no(c->io_mode == IO_WRITEBACK),
	       yes_no(c->io_mode == IO_PASSTHROUGH));
	DMEMIT(",metadata2=%c,no_discard_passdown=%c;", yes_no(c->metadata2),
	       yes_no(c->discards.no_passdown));
}

void cache_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		  char *result, unsigned int maxlen)
{
	struct cache *c = ti->private;

	switch (type) {
	case STATUSTYPE_INFO:
		emit_info(c, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		emit_table(c, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		emit_ima(c, result, maxlen);
		break;
	}
}

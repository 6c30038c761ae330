// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device-mapper.h>

#include "md-test.h"
#include "metadata/superblock.h"

#define DM_MSG_PREFIX "test"

static void *again(void *p, size_t old, size_t new)
{
	p = realloc(p, new ? new : 1);
	if (new > old)
		memset((u8 *)p + old, 0, new - old);
	return p;
}

void model_resize(struct model *m, u32 nr)
{
	u32 old = m->nr, i;

	for (i = nr; i < old; i++)
		model_unmap(m, i);
	m->oblock = again(m->oblock, old * sizeof(u64), nr * sizeof(u64));
	m->dirty = again(m->dirty, old, nr);
	m->valid = again(m->valid, old * sizeof(*m->valid), nr * sizeof(*m->valid));
	m->hint = again(m->hint, old * sizeof(u32), nr * sizeof(u32));
	m->hint_valid = again(m->hint_valid, old, nr);
	for (i = old; i < nr; i++)
		m->oblock[i] = NO_OBLOCK;
	m->nr = nr;
}

void model_set_dblocks(struct model *m, u64 nr, u64 sectors)
{
	m->discard = again(m->discard, m->nr_dblocks, nr);
	m->nr_dblocks = nr;
	m->discard_sectors = sectors;
}

struct model *model_create(u32 nr)
{
	struct model *m = calloc(1, sizeof(*m));

	model_resize(m, nr);
	model_set_dblocks(m, 0, 64);
	strcpy(m->policy.name, "smq");
	m->policy.version[0] = 2;
	m->policy.hint_size = 4;
	return m;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	free(m->oblock);
	free(m->dirty);
	free(m->valid);
	free(m->hint);
	free(m->hint_valid);
	free(m->discard);
	free(m);
}

static void *copy(const void *p, size_t n)
{
	return memcpy(malloc(n + 1), p, n);
}

struct model *model_clone(const struct model *m)
{
	struct model *c = copy(m, sizeof(*m));

	c->oblock = copy(m->oblock, m->nr * sizeof(u64));
	c->dirty = copy(m->dirty, m->nr);
	c->valid = copy(m->valid, m->nr * sizeof(*m->valid));
	c->hint = copy(m->hint, m->nr * sizeof(u32));
	c->hint_valid = copy(m->hint_valid, m->nr);
	c->discard = copy(m->discard, m->nr_dblocks);
	return c;
}

void model_unmap(struct model *m, u32 cblock)
{
	if (m->oblock[cblock] == NO_OBLOCK)
		return;
	m->nr_mapped--;
	m->nr_dirty -= m->dirty[cblock];
	m->oblock[cblock] = NO_OBLOCK;
	m->dirty[cblock] = 0;
	m->hint_valid[cblock] = 0;
	model_make_full(m, cblock);
}

static const struct model_map no_map;

bool model_is_partial(const struct model *m, u32 cblock)
{
	return memcmp(&m->valid[cblock], &no_map, sizeof(no_map));
}

void model_make_full(struct model *m, u32 cblock)
{
	m->valid[cblock] = no_map;
}

void model_make_partial(struct model *m, u32 cblock)
{
	/* 64 sectors are 8 granules. */
	u64 *word = &m->valid[cblock].words[0], old = *word;

	shim_assert(m->oblock[cblock] != NO_OBLOCK);
	while (*word == old)
		*word = 1 + unit_below(254);
	m->nr_dirty += !m->dirty[cblock];
	m->dirty[cblock] = 1;
}

void model_map(struct model *m, u32 cblock, u64 oblock, bool dirty)
{
	model_unmap(m, cblock);
	m->oblock[cblock] = oblock;
	m->dirty[cblock] = dirty;
	m->nr_mapped++;
	m->nr_dirty += dirty;
}

void model_fill(struct model *m, u64 origin_blocks, unsigned int percent)
{
	u64 stride = origin_blocks / (m->nr ? m->nr : 1), i;

	shim_assert(stride);
	for (i = 0; i < m->nr; i++) {
		if (unit_below(100) < percent)
			model_map(m, i, ((i * 7919) % m->nr) * stride + unit_below(stride),
				  unit_below(2));
		else
			model_unmap(m, i);
		m->hint[i] = unit_rand();
		m->hint_valid[i] = true;
	}
	/* 7919 is prime: the oblocks differ unless it divides nr. */
	shim_assert(m->nr % 7919 || !m->nr);
	for (i = 0; i < m->nr_dblocks; i++)
		m->discard[i] = unit_below(4) ? i && m->discard[i - 1] : unit_below(2);
	m->stats = (struct dmc_md_stats){ unit_below(1000), unit_below(1000), unit_below(1000),
					  unit_below(1000) };
}

void model_new_hints(struct model *m)
{
	u32 i;

	for (i = 0; i < m->nr; i++)
		m->hint[i] = unit_rand();
}

/*----- to and from metadata -----*/

static u64 word_of(const u8 *bytes, u64 nr, u64 index)
{
	u64 word = 0, i;

	for (i = 0; i < 64 && index * 64 + i < nr; i++)
		word |= (u64)bytes[index * 64 + i] << i;
	return word;
}

static u64 dirty_word(void *ctx, u32 index)
{
	struct model *m = ctx;

	shim_assert((u64)index * 64 < m->nr);
	return word_of(m->dirty, m->nr, index);
}

static u64 discard_word(void *ctx, u64 index)
{
	struct model *m = ctx;

	shim_assert(index * 64 < m->nr_dblocks);
	return word_of(m->discard, m->nr_dblocks, index);
}

static void hints(void *ctx, cblock_t first, u32 nr, u32 *out)
{
	struct model *m = ctx;

	shim_assert(nr && from_cblock(first) < m->nr && nr <= m->nr - from_cblock(first));
	memcpy(out, m->hint + from_cblock(first), nr * sizeof(*out));
}

struct dmc_md_shutdown model_shutdown(struct model *m)
{
	return (struct dmc_md_shutdown){
		.ctx = m,
		.dirty_word = dirty_word,
		.discard_word = discard_word,
		.hints = m->policy.hint_size ? hints : NULL,
		.policy = m->policy,
		.discard_block_sectors = m->discard_sectors,
		.nr_dblocks = m->nr_dblocks,
		.stats = m->stats,
	};
}

struct each {
	md_mapping_fn fn;
	void *ctx;
	u64 end;	/* of the last run */
};

static int load_each(void *ctx, const struct dmc_run *run)
{
	struct each *each = ctx;
	u32 i;
	int r = 0;

	shim_assert(run->nr && from_cblock(run->first) >= each->end);
	each->end = (u64)from_cblock(run->first) + run->nr;
	for (i = 0; i < run->nr && !r; i++) {
		shim_assert(dmc_run_maps(run, i) || !dmc_run_dirty(run, i));
		if (dmc_run_maps(run, i))
			r = each->fn(each->ctx, to_cblock(from_cblock(run->first) + i),
				     run->oblocks[i], dmc_run_dirty(run, i),
				     run->hints ? run->hints[i] : 0, run->hints != NULL);
	}
	return r;
}

int md_load_each(struct dmc_md *md, const struct dmc_md_policy *policy, md_mapping_fn fn, void *ctx)
{
	struct each each = { .fn = fn, .ctx = ctx };

	return dmc_md_load_mappings(md, policy, NULL, load_each, &each);
}

static int load_mapping(void *ctx, cblock_t cblock, oblock_t oblock, bool dirty, u32 h, bool valid)
{
	struct model *m = ctx;
	u32 cb = from_cblock(cblock);

	shim_assert(cb < m->nr && (s64)cb > m->last);
	m->last = cb;
	model_map(m, cb, from_oblock(oblock), dirty);
	m->hint[cb] = h;
	m->hint_valid[cb] = valid;
	return 0;
}

/* Refuses what the core does. */
static int load_valid(void *ctx, cblock_t cblock, const u64 *valid)
{
	struct model *m = ctx;
	u32 cb = from_cblock(cblock);

	shim_assert(cb < m->nr);
	if (m->oblock[cb] == NO_OBLOCK || !m->dirty[cb]) {
		DMERR("cache block %u is partial, but not dirty", cb);
		return DMC_DAMAGED;
	}
	shim_assert(!model_is_partial(m, cb));
	memcpy(&m->valid[cb], valid, sizeof(m->valid[cb]));
	return 0;
}

/* In sectors, until a block size is known: one discard block a run, and the gap before it. */
static int load_discard(void *ctx, u64 begin, u64 end)
{
	struct model *m = ctx;
	u64 i;

	shim_assert(begin < end && begin % m->discard_sectors == 0 &&
		    end % m->discard_sectors == 0);
	begin /= m->discard_sectors;
	end /= m->discard_sectors;
	shim_assert(!begin || begin > m->nr_dblocks || !m->nr_dblocks);
	model_set_dblocks(m, end, m->discard_sectors);
	for (i = begin; i < end; i++)
		m->discard[i] = 1;
	return 0;
}

struct model *model_load(struct dmc_md *md, const struct dmc_md_policy *policy, int *error)
{
	struct model *m = model_create(dmc_md_nr_cblocks(md));

	m->policy = *policy;
	m->last = -1;
	*error = md_load_each(md, policy, load_mapping, m);
	if (!*error)
		*error = dmc_md_load_valid(md, U32_MAX, load_valid, m);
	if (!*error)
		*error = dmc_md_load_discards(md, load_discard, m);
	if (*error) {
		model_free(m);
		return NULL;
	}
	dmc_md_get_stats(md, &m->stats);
	return m;
}

const char *model_differs(const struct model *a, const struct model *b)
{
	static char text[100];
	u64 i;

	if (a->nr != b->nr) {
		snprintf(text, sizeof(text), "%u cblocks, not %u", b->nr, a->nr);
		return text;
	}
	for (i = 0; i < a->nr; i++) {
		if (a->oblock[i] != b->oblock[i]) {
			snprintf(text, sizeof(text), "cblock %llu: oblock %lld, not %lld", i,
				 (s64)b->oblock[i], (s64)a->oblock[i]);
			return text;
		}
		if (a->oblock[i] == NO_OBLOCK)
			continue;
		if (a->dirty[i] != b->dirty[i]) {
			snprintf(text, sizeof(text), "cblock %llu: dirty is %u", i, b->dirty[i]);
			return text;
		}
		if (memcmp(&a->valid[i], &b->valid[i], sizeof(no_map))) {
			snprintf(text, sizeof(text), "cblock %llu: valid %llx, not %llx", i,
				 b->valid[i].words[0], a->valid[i].words[0]);
			return text;
		}
		if (b->hint_valid[i] && a->hint[i] != b->hint[i]) {
			snprintf(text, sizeof(text), "cblock %llu: hint %u, not %u", i, b->hint[i],
				 a->hint[i]);
			return text;
		}
	}
	return NULL;
}

struct dmc_md_params md_params(struct shim_disk *d)
{
	return (struct dmc_md_params){
		.bdev = disk_bdev(d),
		.dev_name = "254:7",
		.block_sectors = 64,
		.origin_blocks = DMC_MAX_OBLOCKS,
	};
}

struct dmc_md *md_open_ok(const struct dmc_md_params *p)
{
	dmc_md_reason_t why = NULL;
	struct dmc_md *md = dmc_md_open(p, &why);

	CHECK_MSG(!IS_ERR(md), "open: %ld: %s", PTR_ERR(md), why);
	CHECK_MSG(!why[0], "opened, but says '%s'", why);
	return md;
}

int md_insert_all(struct dmc_md *md, const struct model *m)
{
	u32 i;
	int r = 0;

	for (i = 0; i < m->nr && !r; i++)
		if (m->oblock[i] != NO_OBLOCK)
			r = dmc_md_insert(md, to_cblock(i), to_oblock(m->oblock[i]));
	return r;
}

void md_give_up(struct dmc_md *md, const struct dmc_md_params *p)
{
	dmc_md_reason_t why;

	if (!dmc_md_abort(md)) {
		CHECK_OK(dmc_md_set_needs_check(md));
		CHECK(dmc_md_needs_check(md));
		/* Where there is no block at all, block 0 is one too far. */
		CHECK_EQ(dmc_md_insert(md, to_cblock(0), to_oblock(0)),
			 dmc_md_nr_cblocks(md) ? -EPERM : -EINVAL);
		CHECK_EQ(dmc_md_commit(md, NULL), -EPERM);
		dmc_md_close(md);
		md = dmc_md_open(p, &why);
		CHECK(IS_ERR(md) && PTR_ERR(md) == -EPERM);
		return;
	}
	CHECK_EQ(dmc_md_commit(md, NULL), -EIO);
	dmc_md_close(md);
}

int md_cycle(struct dmc_md *md, struct model *m)
{
	struct dmc_md_shutdown s;
	u32 i;
	int r;

	r = dmc_md_begin_changes(md);
	for (i = 0; i < m->nr && !r; i += 7) {
		if (m->oblock[i] != NO_OBLOCK) {
			r = dmc_md_remove(md, to_cblock(i));
			model_unmap(m, i);
		} else {
			r = dmc_md_insert(md, to_cblock(i), to_oblock(1000 + i));
			model_map(m, i, 1000 + i, i & 1);
		}
		if (!r && i % 70 == 0)
			r = dmc_md_commit(md, NULL);
	}
	model_new_hints(m);
	s = model_shutdown(m);
	if (!r)
		r = dmc_md_commit_clean(md, &s);
	return r;
}

/*----- the raw disk -----*/

struct md_content fsck_ok(struct shim_disk *d, unsigned int flags)
{
	struct md_content c;
	const char *what = md_fsck(d->data, d->nr_sectors * SECTOR_SIZE, flags, &c);

	if (what)
		md_content_free(&c);
	CHECK_MSG(!what, "fsck: %s", what);
	return c;
}

static bool content_dirty(const struct md_content *c, const struct model *m, u64 i)
{
	return c->dirty[i] == m->dirty[i];
}

static const char *shutdown_differs(const struct md_content *c, const struct model *m)
{
	u64 i;

	for (i = 0; i < m->nr; i++) {
		if (!content_dirty(c, m, i))
			return "dirty bits differ";
		if (m->policy.hint_size && c->hints[i] != m->hint[i])
			return "hints differ";
	}
	if (strcmp(c->policy, m->policy.name) || memcmp(c->policy_version, m->policy.version, 12))
		return "policy differs";
	if (m->policy.hint_size && (c->hint_size != 4 || c->nr_hints != m->nr))
		return "hint size or number";
	if (c->nr_dblocks != m->nr_dblocks || c->discard_block_sectors != m->discard_sectors)
		return "discard size";
	if (m->nr_dblocks && memcmp(c->discards, m->discard, m->nr_dblocks))
		return "discards differ";
	if (c->stats[0] != m->stats.read_hits || c->stats[1] != m->stats.read_misses ||
	    c->stats[2] != m->stats.write_hits || c->stats[3] != m->stats.write_misses)
		return "statistics differ";
	return NULL;
}

const char *content_differs(const struct md_content *c, const struct model *m)
{
	static char text[100];
	u64 i;

	if (c->nr_cblocks != m->nr)
		return "number of cblocks";
	for (i = 0; i < m->nr; i++) {
		u64 want = m->oblock[i] == NO_OBLOCK ? 0 : m->oblock[i] << 16 | 1;

		if ((c->maps[i] & ~2ULL) != want) {
			snprintf(text, sizeof(text), "cblock %llu: %llx, not %llx", i, c->maps[i], want);
			return text;
		}
		if (memcmp(c->valid[i], &m->valid[i], sizeof(no_map))) {
			snprintf(text, sizeof(text), "cblock %llu: valid %llx, not %llx", i,
				 c->valid[i][0], m->valid[i].words[0]);
			return text;
		}
	}
	return c->flags & 1 ? shutdown_differs(c, m) : NULL;
}

/*----- small disks -----*/

struct shim_disk *blank_disk(u64 blocks)
{
	return disk_create(blocks * 8);
}

struct dmc_md_params params(struct shim_disk *d, bool format2)
{
	struct dmc_md_params p = md_params(d);

	p.format2 = format2;
	p.origin_blocks = ORIGIN_BLOCKS;
	return p;
}

struct dmc_md *md_on(struct shim_disk *d, bool format2, struct dmc_md_params *p)
{
	*p = params(d, format2);
	return md_open_ok(p);
}

void md_done(struct dmc_md *md, struct shim_disk *d, struct model *m)
{
	dmc_md_close(md);
	disk_free(d);
	model_free(m);
}

void resize_ok(struct dmc_md *md, u32 nr)
{
	cblock_t busy = to_cblock(12345);

	CHECK_OK(dmc_md_resize(md, nr, &busy));
	CHECK_EQ(dmc_md_nr_cblocks(md), nr);
	CHECK_EQ(from_cblock(busy), 12345);
}

void expect_disk(struct shim_disk *d, const struct model *m, u32 flags)
{
	struct md_content c = fsck_ok(d, 0);
	const char *what = content_differs(&c, m);

	CHECK_MSG(!what, "on disk: %s", what);
	CHECK_EQ(c.flags, flags);
	md_content_free(&c);
}

void shutdown_ok(struct dmc_md *md, struct model *m)
{
	struct dmc_md_shutdown s = model_shutdown(m);

	CHECK_OK(dmc_md_commit_clean(md, &s));
}

void expect_load(struct dmc_md *md, struct model *m)
{
	int r;
	struct model *got = model_load(md, &m->policy, &r);

	CHECK_MSG(got, "loading gives %d", r);
	CHECK_MSG(!model_differs(m, got), "loaded: %s", model_differs(m, got));
	model_free(got);
}

/* Cache with what @m says, shut down and closed. */
struct shim_disk *disk_of(struct model *m, bool format2, u64 blocks)
{
	struct shim_disk *d = blank_disk(blocks);
	struct dmc_md_params p = params(d, format2);
	struct dmc_md *md = md_open_ok(&p);

	resize_ok(md, m->nr);
	CHECK_OK(md_insert_all(md, m));
	shutdown_ok(md, m);
	dmc_md_close(md);
	expect_disk(d, m, DMC_SB_CLEAN);
	return d;
}

/*----- vectors -----*/

static u8 *unzip(const char *name, const char *suffix, size_t *size)
{
	char command[200];
	size_t max = 1 << 20, n;
	u8 *data = malloc(max + 1);
	FILE *f;

	snprintf(command, sizeof(command), "gzip -dc ../vectors/%s%s.gz", name, suffix);
	f = popen(command, "r");
	CHECK(f);
	for (*size = 0; (n = fread(data + *size, 1, max - *size, f)) > 0; *size += n)
		if (*size + n == max)
			data = realloc(data, (max *= 2) + 1);
	CHECK_MSG(!pclose(f) && *size, "cannot read %s%s.gz", name, suffix);
	data[*size] = 0;
	return data;
}

struct shim_disk *vector_disk(const char *name)
{
	size_t size;
	u8 *data = unzip(name, ".img", &size);
	struct shim_disk *d = disk_create_from(data, size, size / SECTOR_SIZE);

	free(data);
	return d;
}

/* Of base64, what 4 bytes need: "xxxxxx==". */
static u32 hint_of(const char *base64)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	u64 bits = 0;
	int i;

	for (i = 0; i < 6; i++)
		bits = bits << 6 | (strchr(digits, base64[i]) - digits);
	return __builtin_bswap32(bits >> 4);
}

struct model *vector_model(const char *name)
{
	struct model *m = NULL;
	unsigned int nr, cb, width;
	unsigned long long ob, valid[DMC_VALID_WORDS];
	char dirty[8], data[16], policy[17] = "";
	char *xml, *line, *save;
	size_t size;

	xml = (char *)unzip(name, ".xml", &size);
	for (line = strtok_r(xml, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *at = strstr(line, "nr_cache_blocks=");

		if (at && sscanf(at, "nr_cache_blocks=\"%u\" policy=\"%16[^\"]", &nr, policy) >= 1) {
			m = model_create(nr);
			at = strstr(line, "hint_width=");
			shim_assert(at && sscanf(at, "hint_width=\"%u\"", &width) == 1);
			memset(m->policy.name, 0, sizeof(m->policy.name));
			memcpy(m->policy.name, policy, strlen(policy));
			m->policy.hint_size = width;
		}
		if (sscanf(line, " <mapping cache_block=\"%u\" origin_block=\"%llu\" dirty=\"%7[a-z]\"",
			   &cb, &ob, dirty) == 3)
			model_map(m, cb, ob, !strcmp(dirty, "true"));
		if (sscanf(line, " <hint cache_block=\"%u\" data=\"%15[^\"]\"", &cb, data) == 2) {
			m->hint[cb] = hint_of(data);
			m->hint_valid[cb] = true;
		}
		if (sscanf(line, "valid %u %16llx%16llx%16llx%16llx", &cb, &valid[3], &valid[2],
			   &valid[1], &valid[0]) == 5)
			memcpy(m->valid[cb].words, valid, sizeof(valid));
	}
	free(xml);
	CHECK(m);
	return m;
}

unsigned long md_cut_everywhere(const struct md_cuts *cuts)
{
	struct disk_crash *c = disk_crash_begin(cuts->d);
	unsigned long k, nr = 0;
	unsigned int at = 0;
	u64 seed;

	CHECK(disk_crash_events(c) > 30);
	for (k = 0; k <= disk_crash_events(c); k++) {
		u64 seq = k ? disk_crash_seq(c, k) : 0;

		/* A commit may be done (its superblock written and flushed) before it returns. */
		while (at + 1 < cuts->nr_states && cuts->seq(cuts->ctx, at + 1) <= seq)
			at++;
		for (seed = 0; seed < cuts->seeds; seed++, nr++) {
			unit_note("%sevent %lu of %lu, seed %llu, after state %u", cuts->replay, k,
				  disk_crash_events(c), seed, at);
			cuts->check(cuts->ctx, disk_crash_state(c, k, seed), at, seed);
		}
	}
	disk_crash_end(c);
	return nr;
}

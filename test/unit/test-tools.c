// SPDX-License-Identifier: GPL-2.0-only
/*
 * test-tools.c - makes and reads metadata images with the module's own sources, for test-tools.sh
 * to hold against thin-provisioning-tools.  Without arguments it runs that script.
 *
 *	test-tools make IMAGE KIB FORMAT CBLOCKS PERCENT SEED
 *		formats, maps PERCENT of the cache, works on it and shuts down; prints the XML
 *	test-tools dump IMAGE ORIGIN_BLOCKS
 *		prints the XML of what loads
 *	test-tools work IMAGE ORIGIN_BLOCKS SEED
 *		loads, changes, shuts down; prints the XML
 *	test-tools crash IMAGE ORIGIN_BLOCKS SEED
 *		loads, changes, commits, and stops there
 *	test-tools live IMAGE ORIGIN_BLOCKS SEED
 *		loads, runs with write intents, and stops there; prints how many blocks may be dirty
 *	test-tools partial IMAGE ORIGIN_BLOCKS SEED
 *		loads, makes some mapped blocks partial, shuts down; prints the XML, and a line "valid
 *		CBLOCK MAP" for each
 *	test-tools drain IMAGE ORIGIN_BLOCKS
 *		loads, removes the partial blocks, shuts down; prints the XML
 *	test-tools needs-check IMAGE
 *		sets needs_check
 *	test-tools judge IMAGE ORIGIN_BLOCKS
 *		prints "loads" and the last line of the log, or "refused" and why, after a tab
 *	test-tools damaged IMAGE ORIGIN_BLOCKS SEED NR FOLDER
 *		damages copies of it, each in one place, as FOLDER/SEED.img, SEED+1.img ...; prints
 *		a line for each: its number, what judge says, what was damaged
 *	test-tools time CBLOCKS FORMAT
 *		processor time of loading and shutting down a full cache, in ms (build with SAN=)
 */
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "md-damage.h"
#include "md-test.h"

#define SMQ ((struct dmc_md_policy){ .name = "smq", .version = { 2, 0, 0 }, .hint_size = 4 })

static void die(const char *what, int r)
{
	fprintf(stderr, "%s: %d\n", what, r);
	exit(1);
}

#define MUST(x) do { int r_ = (x); if (r_) die(#x, r_); } while (0)

/*----- images -----*/

static struct shim_disk *read_image(const char *path)
{
	FILE *f = fopen(path, "r");
	struct shim_disk *d;
	long size;

	if (!f || fseek(f, 0, SEEK_END))
		die(path, -errno);
	size = ftell(f);
	rewind(f);
	d = disk_create(size / SECTOR_SIZE);
	if (fread(d->data, 1, size, f) != (size_t)size)
		die(path, -errno);
	fclose(f);
	return d;
}

static void write_image(const char *path, struct shim_disk *d)
{
	FILE *f = fopen(path, "w");
	size_t size = d->nr_sectors * SECTOR_SIZE;

	if (!f || fwrite(d->data, 1, size, f) != size || fclose(f))
		die(path, -errno);
	disk_free(d);
}

static struct dmc_md *try_open(struct shim_disk *d, u64 origin_blocks, bool format2,
			       dmc_md_reason_t *why)
{
	struct dmc_md_params p = md_params(d);
	struct dmc_md_summary s;

	p.origin_blocks = origin_blocks;
	p.format2 = format2;
	/* Whatever block size it has. */
	if (dmc_md_probe(&p, &s, why) == -EINVAL && s.block_sectors)
		p.block_sectors = s.block_sectors;
	return dmc_md_open(&p, why);
}

static struct dmc_md *open_image(struct shim_disk *d, u64 origin_blocks, bool format2)
{
	dmc_md_reason_t why;
	struct dmc_md *md = try_open(d, origin_blocks, format2, &why);

	if (IS_ERR(md))
		die(why, PTR_ERR(md));
	return md;
}

/*----- XML, as cache_dump prints it -----*/

static void print_hint(u32 cblock, u32 hint)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	u64 bits = (u64)__builtin_bswap32(hint) << 4;
	char text[9] = "......==";
	int i;

	for (i = 5; i >= 0; i--, bits >>= 6)
		text[i] = digits[bits & 63];
	printf("    <hint cache_block=\"%u\" data=\"%s\"/>\n", cblock, text);
}

static void print_xml(const struct model *m)
{
	u32 i;

	printf("<superblock uuid=\"\" block_size=\"64\" nr_cache_blocks=\"%u\" policy=\"%s\" hint_width=\"%u\">\n",
	       m->nr, m->policy.name, m->policy.hint_size);
	printf("  <mappings>\n");
	for (i = 0; i < m->nr; i++)
		if (m->oblock[i] != NO_OBLOCK)
			printf("    <mapping cache_block=\"%u\" origin_block=\"%llu\" dirty=\"%s\"/>\n",
			       i, m->oblock[i], m->dirty[i] ? "true" : "false");
	printf("  </mappings>\n  <hints>\n");
	for (i = 0; i < m->nr; i++)
		if (m->oblock[i] != NO_OBLOCK && m->hint_valid[i])
			print_hint(i, m->hint[i]);
	printf("  </hints>\n</superblock>\n");
}

/*----- commands -----*/

static void shut_down(struct dmc_md *md, struct model *m)
{
	struct dmc_md_shutdown s = model_shutdown(m);

	MUST(dmc_md_commit_clean(md, &s));
}

static struct model *load(struct dmc_md *md)
{
	struct dmc_md_policy policy = SMQ;
	struct model *m;
	int r;

	m = model_load(md, &policy, &r);
	if (!m)
		die("load", r);
	return m;
}

/*
 * Removes some, inserts some (oblocks below @origin_blocks that were free), commits now and then.
 */
static void change(struct dmc_md *md, struct model *m, u64 origin_blocks)
{
	u8 *taken = calloc(origin_blocks, 1);
	u32 i, n = m->nr / 4 + 10;

	for (i = 0; i < m->nr; i++)
		if (m->oblock[i] != NO_OBLOCK)
			taken[m->oblock[i]] = 1;
	for (i = 0; i < n && m->nr; i++) {
		u32 cb = unit_below(m->nr);
		u64 ob = unit_below(origin_blocks);

		if (m->oblock[cb] != NO_OBLOCK) {
			MUST(dmc_md_remove(md, to_cblock(cb)));
			taken[m->oblock[cb]] = 0;
			model_unmap(m, cb);
		} else if (!taken[ob]) {
			MUST(dmc_md_insert(md, to_cblock(cb), to_oblock(ob)));
			taken[ob] = 1;
			model_map(m, cb, ob, unit_below(2));
		}
		if (!unit_below(200))
			MUST(dmc_md_commit(md, NULL));
	}
	for (i = 0; i < m->nr; i++) {
		m->hint[i] = unit_rand();
		m->hint_valid[i] = true;
	}
	free(taken);
}

/* As many discard bits as the core would have. */
static void set_dblocks(struct model *m, u64 origin_blocks)
{
	u64 sectors = origin_blocks * 64, size = 64;

	while (sectors / size > 16384)
		size *= 2;
	model_set_dblocks(m, (sectors + size - 1) / size, size);
}

static void make(char **args)
{
	struct shim_disk *d = disk_create(strtoull(args[1], NULL, 0) * 2);
	struct dmc_md *md = open_image(d, 1 << 20, args[2][0] == '2');
	struct model *m = model_create(strtoul(args[3], NULL, 0));
	unsigned int percent = strtoul(args[4], NULL, 0);
	cblock_t busy;

	unit_srand(strtoul(args[5], NULL, 0));
	set_dblocks(m, 1 << 20);
	model_fill(m, 1 << 20, percent);
	MUST(dmc_md_resize(md, m->nr, &busy));
	MUST(md_insert_all(md, m));
	if (percent < 100)
		change(md, m, 1 << 20);
	shut_down(md, m);
	dmc_md_close(md);
	write_image(args[0], d);
	print_xml(m);
	model_free(m);
}

static void dump(char **args)
{
	struct shim_disk *d = read_image(args[0]);
	struct dmc_md *md = open_image(d, strtoull(args[1], NULL, 0), false);
	struct model *m = load(md);

	print_xml(m);
	model_free(m);
	dmc_md_close(md);
	if (d->count[DISK_WRITE])
		die("dump wrote", 1);
	disk_free(d);
}

static void work(char **args, bool clean)
{
	u64 origin_blocks = strtoull(args[1], NULL, 0);
	struct shim_disk *d = read_image(args[0]);
	struct dmc_md *md = open_image(d, origin_blocks, false);
	struct model *m = load(md);

	set_dblocks(m, origin_blocks);
	unit_srand(strtoul(args[2], NULL, 0));
	MUST(dmc_md_begin_changes(md));
	change(md, m, origin_blocks);
	if (clean)
		shut_down(md, m);
	else
		MUST(dmc_md_commit(md, NULL));
	dmc_md_close(md);
	write_image(args[0], d);
	if (clean)
		print_xml(m);
	model_free(m);
}

static void work_clean(char **args)
{
	work(args, true);
}

static void work_crash(char **args)
{
	work(args, false);
}

static void live(char **args)
{
	u64 origin_blocks = strtoull(args[1], NULL, 0);
	struct shim_disk *d = read_image(args[0]);
	struct dmc_md *md = open_image(d, origin_blocks, false);
	struct model *m = load(md);
	struct dmc_md_tracking t = { .nr_cblocks = m->nr };
	cblock_t busy;
	u32 i, n = 0;

	set_dblocks(m, origin_blocks);
	t.nr_dblocks = m->nr_dblocks;
	t.discard_block_sectors = m->discard_sectors;
	unit_srand(strtoul(args[2], NULL, 0));
	MUST(dmc_md_start_tracking(md, &t, &busy));
	for (i = 0; i < m->nr; i++) {
		if (m->oblock[i] == NO_OBLOCK)
			continue;
		if (!unit_below(3)) {
			m->dirty[i] = unit_below(2);
			MUST(dmc_md_set_dirty(md, to_cblock(i), m->dirty[i]));
		}
		n += m->dirty[i];
	}
	MUST(dmc_md_commit(md, NULL));
	dmc_md_close(md);
	write_image(args[0], d);
	printf("%u\n", n);
	model_free(m);
}

static void print_valid(const struct model *m)
{
	u32 i;

	for (i = 0; i < m->nr; i++)
		if (model_is_partial(m, i))
			printf("valid %u %016llx%016llx%016llx%016llx\n", i, m->valid[i].words[3],
			       m->valid[i].words[2], m->valid[i].words[1], m->valid[i].words[0]);
}

static void partial(char **args)
{
	struct shim_disk *d = read_image(args[0]);
	struct dmc_md *md = open_image(d, strtoull(args[1], NULL, 0), false);
	struct model *m = load(md);
	u32 i;

	set_dblocks(m, strtoull(args[1], NULL, 0));
	unit_srand(strtoul(args[2], NULL, 0));
	MUST(dmc_md_begin_changes(md));
	for (i = 0; i < m->nr; i++) {
		if (m->oblock[i] == NO_OBLOCK || unit_below(3))
			continue;
		model_make_partial(m, i);
		MUST(dmc_md_set_valid(md, to_cblock(i), m->valid[i].words));
	}
	shut_down(md, m);
	dmc_md_close(md);
	write_image(args[0], d);
	print_xml(m);
	print_valid(m);
	model_free(m);
}

static void drain(char **args)
{
	struct shim_disk *d = read_image(args[0]);
	struct dmc_md *md = open_image(d, strtoull(args[1], NULL, 0), false);
	struct model *m = load(md);
	u32 i;

	set_dblocks(m, strtoull(args[1], NULL, 0));
	MUST(dmc_md_begin_changes(md));
	for (i = 0; i < m->nr; i++) {
		if (!model_is_partial(m, i))
			continue;
		model_unmap(m, i);
		MUST(dmc_md_remove(md, to_cblock(i)));
	}
	shut_down(md, m);
	dmc_md_close(md);
	write_image(args[0], d);
	print_xml(m);
	model_free(m);
}

static void needs_check(char **args)
{
	struct shim_disk *d = read_image(args[0]);
	struct dmc_md *md = open_image(d, DMC_MAX_OBLOCKS, false);

	MUST(dmc_md_set_needs_check(md));
	dmc_md_close(md);
	write_image(args[0], d);
}

/*----- what is made of damage -----*/

/* NULL: it loads. */
static const char *refusal(struct shim_disk *d, u64 origin_blocks)
{
	struct dmc_md_policy policy = SMQ;
	dmc_md_reason_t why = "";
	struct dmc_md *md;
	struct model *m;
	int r;

	shim_clear_messages();
	md = try_open(d, origin_blocks, false, &why);
	if (IS_ERR(md))
		return why;
	m = model_load(md, &policy, &r);
	dmc_md_close(md);
	if (!m)
		return shim_last_message();
	model_free(m);
	return NULL;
}

static void print_verdict(struct shim_disk *d, u64 origin_blocks)
{
	const char *why = refusal(d, origin_blocks);

	if (why)
		printf("refused\t%.200s", why);
	else
		printf("loads\t%.200s", shim_nr_messages() ? shim_last_message() : "-");
	if (d->count[DISK_WRITE])
		die("it wrote", 1);
}

static void judge(char **args)
{
	struct shim_disk *d = read_image(args[0]);

	print_verdict(d, strtoull(args[1], NULL, 0));
	putchar('\n');
	disk_free(d);
}

static void damaged(char **args)
{
	unsigned int seed = strtoul(args[2], NULL, 0), end = seed + strtoul(args[3], NULL, 0);
	struct shim_disk *d = read_image(args[0]), *bad;
	struct damage_base b;
	char path[PATH_MAX];

	damage_init(&b, d);
	for (; seed < end; seed++) {
		unit_srand(seed * 1000003ULL + 17);
		bad = disk_clone(d);
		damage_once(&b, bad);
		printf("%u\t", seed);
		print_verdict(bad, strtoull(args[1], NULL, 0));
		printf("\t%s %u+%u\n", b.kind, b.offset, b.size);
		snprintf(path, sizeof(path), "%s/%u.img", args[4], seed);
		write_image(path, bad);
	}
	disk_free(d);
}

static double ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int count_one(void *ctx, cblock_t cblock, oblock_t oblock, bool dirty, u32 hint, bool valid)
{
	++*(u64 *)ctx;
	return 0;
}

static void measure(char **args)
{
	u32 nr = strtoul(args[0], NULL, 0);
	static const u64 origins[] = { 10, 100, 10000 };
	struct model *m = model_create(nr);
	struct shim_disk *d = disk_create(nr / 4 + 100000);
	struct dmc_md *md;
	cblock_t busy;
	double t;
	int i;

	shim_bufio_set_cache(100000);
	model_fill(m, nr * 10ULL, 100);
	md = open_image(d, nr * 10ULL, args[1][0] == '2');
	MUST(dmc_md_resize(md, nr, &busy));
	t = ms();
	MUST(md_insert_all(md, m));
	MUST(dmc_md_commit(md, NULL));
	printf("insert all: %.1f\n", ms() - t);
	for (i = 0; i < 2; i++) {
		t = ms();
		shut_down(md, m);
		printf("shut down (%s): %.1f\n", i ? "nothing changed" : "everything", ms() - t);
	}
	dmc_md_close(md);
	for (i = 0; i < ARRAY_SIZE(origins); i++) {
		struct dmc_md_policy policy = SMQ;
		u64 n = 0;

		md = open_image(d, nr * origins[i], false);
		t = ms();
		MUST(md_load_each(md, &policy, count_one, &n));
		printf("load %llu of origin %llu times the cache: %.1f\n", n, origins[i], ms() - t);
		dmc_md_close(md);
	}
	disk_free(d);
	model_free(m);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int nr_args;
		void (*fn)(char **args);
	} commands[] = {
		{ "make", 6, make },
		{ "dump", 2, dump },
		{ "work", 3, work_clean },
		{ "crash", 3, work_crash },
		{ "live", 3, live },
		{ "partial", 3, partial },
		{ "drain", 2, drain },
		{ "needs-check", 1, needs_check },
		{ "judge", 2, judge },
		{ "damaged", 5, damaged },
		{ "time", 2, measure },
	};
	int i;

	if (argc == 1) {
		execl("./test-tools.sh", "./test-tools.sh", argv[0], NULL);
		die("./test-tools.sh", -errno);
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name) && argc == 2 + commands[i].nr_args) {
			commands[i].fn(argv + 2);
			return 0;
		}
	die("usage: see the source", 0);
}

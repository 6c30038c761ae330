// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transactions: what may be written when, what becomes of shadows, full devices, refused commits.
 */
#include "pd-world.h"

static const struct dmc_validator kind = { .name = "thing", .salt = 5, .blocknr_offset = 8 };

/* Was block @b in use in the committed state, by the on-disk map of @image? */
static bool committed_in_use(const u8 *image, u64 b)
{
	u64 index = get_unaligned_le64(image + 80);
	u64 bitmap = get_unaligned_le64(image + index * 4096 + 16 + 16 * (b / 16320));

	return image[bitmap * 4096 + 16 + b % 16320 / 4] >> 2 * (b % 4) & 3;
}

/*
 * Reads the write log of one or more commits: no block that the superblock of the time led to is
 * overwritten, a flush comes before each superblock, and one after it.
 */
static void check_log(struct shim_disk *d)
{
	u8 *image = malloc(d->nr_sectors * 512);
	bool unflushed = false, sb_unflushed = false;
	unsigned long i;

	memcpy(image, d->base, d->nr_sectors * 512);
	for (i = 0; i < d->nr_events; i++) {
		struct disk_event *e = &d->log[i];

		if (e->op == DISK_FLUSH) {
			unflushed = sb_unflushed = false;
			continue;
		}
		CHECK_EQ(e->nr_sectors, 8);
		if (!e->sector) {
			CHECK_MSG(!unflushed, "superblock written before what it leads to is durable");
			sb_unflushed = true;
		} else {
			CHECK_MSG(!committed_in_use(image, e->sector / 8),
				  "committed block %llu overwritten", e->sector / 8);
			CHECK_MSG(!sb_unflushed, "written on top of an unflushed superblock");
			unflushed = true;
		}
		memcpy(image + e->sector * 512, e->data, e->nr_sectors * 512);
	}
	CHECK(!unflushed && !sb_unflushed);
	free(image);
}

static void test_write_order(void)
{
	struct dmc_btree_info info = { .levels = 1, .value_type.size = 8 };
	unsigned int early, round, i;
	struct world w;
	u64 key, v = 1;

	for (early = 0; early < 2; early++) {
		shim_bufio_set_early_writes(early ? 2 : 0);
		shim_bufio_set_cache(early ? 20 : 64);
		world_create(&w, 300);
		info.tm = w.tm;
		CHECK_OK(dmc_btree_empty(&info, &w.roots[0].block));
		w.roots[0].kind = ROOT_TREE1;
		CHECK_OK(world_commit(&w));
		disk_log_start(w.disk);
		for (round = 0; round < 30; round++) {
			for (i = 0; i < 200; i++) {
				key = unit_below(3000);
				if (unit_below(3))
					CHECK_OK(dmc_btree_insert(&info, w.roots[0].block, &key, &v,
								  &w.roots[0].block, NULL));
				else
					dmc_btree_remove(&info, w.roots[0].block, &key,
							 &w.roots[0].block);
			}
			world_check(&w);
		}
		check_log(w.disk);
		world_destroy(&w);
	}
	shim_bufio_set_early_writes(0);
	shim_bufio_set_cache(64);
}

static void test_shadows(void)
{
	struct dmc_block *blk, *blk2;
	struct world w;
	mblock_t a, b;
	bool inc;
	u32 count;

	world_create(&w, 100);
	CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
	a = dmc_block_location(blk);
	CHECK(!memchr_inv(dmc_block_data(blk), 0, 4096));
	((u8 *)dmc_block_data(blk))[100] = 42;
	dmc_tm_unlock(w.tm, blk);
	CHECK_OK(dmc_tm_ref(w.tm, a, &count));
	CHECK_EQ(count, 1);

	/* A shadow changes in place. */
	CHECK_OK(dmc_tm_shadow_block(w.tm, a, &kind, &blk, &inc));
	CHECK_EQ(dmc_block_location(blk), a);
	CHECK(!inc);
	dmc_tm_unlock(w.tm, blk);

	/* A shared one does not, even if it is new. */
	CHECK_OK(dmc_tm_inc(w.tm, a));
	CHECK_OK(dmc_tm_shadow_block(w.tm, a, &kind, &blk, &inc));
	b = dmc_block_location(blk);
	CHECK(b != a && inc);
	CHECK_EQ(((u8 *)dmc_block_data(blk))[100], 42);
	dmc_tm_unlock(w.tm, blk);
	CHECK_OK(dmc_tm_ref(w.tm, a, &count));
	CHECK_EQ(count, 1);
	CHECK_OK(dmc_tm_dec(w.tm, b));
	CHECK_EQ(dmc_tm_read_lock(w.tm, b, &kind, &blk), -EILSEQ);
	CHECK(shim_message_seen("free in the space map"));

	/* After the commit it is copied; the original is not free for this transaction. */
	CHECK_OK(world_commit(&w));
	CHECK_OK(dmc_tm_shadow_block(w.tm, a, &kind, &blk, &inc));
	b = dmc_block_location(blk);
	CHECK(b != a && !inc);
	dmc_tm_unlock(w.tm, blk);
	CHECK_OK(dmc_tm_ref(w.tm, a, &count));
	CHECK_EQ(count, 0);
	while (!dmc_tm_new_block(w.tm, &kind, &blk2)) {
		CHECK(dmc_block_location(blk2) != a);
		dmc_tm_unlock(w.tm, blk2);
	}
	world_close(&w);
	disk_free(w.disk);
}

/*
 * A block that the committed state leads to, though its space map says that it is free: taken back
 * it is as good as one that was in use, for its content and for the allocation.
 */
static void taken_back(bool change)
{
	mblock_t a, free;
	struct dmc_block *blk;
	struct world w;
	unsigned int i;
	bool inc;

	world_create(&w, 64);
	CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
	a = dmc_block_location(blk);
	dmc_tm_unlock(w.tm, blk);
	CHECK_OK(world_commit(&w));
	CHECK_OK(dmc_tm_dec(w.tm, a));
	CHECK_OK(world_commit(&w));
	world_reopen(&w);
	free = dmc_tm_nr_free(w.tm);
	CHECK_EQ(dmc_tm_read_lock(w.tm, a, &kind, &blk), DMC_DAMAGED);
	dmc_tm_take_back(w.tm, true);
	CHECK_OK(dmc_tm_read_lock(w.tm, a, &kind, &blk));
	dmc_tm_unlock(w.tm, blk);
	dmc_tm_take_back(w.tm, false);
	CHECK_EQ(dmc_tm_nr_free(w.tm), free - 1);
	if (change) {
		CHECK_OK(dmc_tm_shadow_block(w.tm, a, &kind, &blk, &inc));
		CHECK(dmc_block_location(blk) != a && !inc);
		dmc_tm_unlock(w.tm, blk);
		CHECK_EQ(dmc_tm_nr_free(w.tm), free - 2);
		for (i = 0; i < 40; i++) {
			CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
			CHECK(dmc_block_location(blk) != a);
			dmc_tm_unlock(w.tm, blk);
		}
	}
	CHECK_OK(world_commit(&w));
	free = dmc_tm_nr_free(w.tm);
	world_reopen(&w);
	CHECK_EQ(dmc_tm_nr_free(w.tm), free);
	CHECK_EQ(dmc_tm_read_lock(w.tm, a, &kind, &blk), change ? DMC_DAMAGED : 0);
	if (!change)
		dmc_tm_unlock(w.tm, blk);
	world_close(&w);
	disk_free(w.disk);
}

static void test_taken_back(void)
{
	taken_back(false);
	taken_back(true);
}

static void test_spoiled(void)
{
	struct dmc_block *blk;
	struct world w;
	bool inc;
	u32 count;

	world_create(&w, 64);
	CHECK_EQ(dmc_tm_dec(w.tm, 50), -EILSEQ);	/* is free */
	CHECK_EQ(dmc_tm_pre_commit(w.tm), -EIO);
	CHECK_EQ(world_commit(&w), -EIO);
	world_reopen(&w);
	CHECK_EQ(dmc_tm_inc(w.tm, 64), -EILSEQ);
	CHECK_EQ(world_commit(&w), -EIO);
	world_reopen(&w);
	CHECK_EQ(dmc_tm_shadow_block(w.tm, 50, &kind, &blk, &inc), -EILSEQ);
	CHECK_EQ(world_commit(&w), -EIO);
	world_reopen(&w);
	CHECK_EQ(dmc_tm_ref(w.tm, 1000, &count), -EILSEQ);
	CHECK_EQ(dmc_tm_read_lock(w.tm, 0, &kind, &blk), -EILSEQ);
	CHECK_OK(world_commit(&w));
	world_destroy(&w);
}

static void test_refused_commits(void)
{
	struct dmc_block *blk;
	struct world w;

	world_create(&w, 64);
	/* No pre_commit; and something changed after it. */
	CHECK_OK(dmc_bm_write_lock(w.bm, 0, &world_sb_validator, &blk));
	CHECK_EQ(dmc_tm_commit(w.tm, blk), -EINVAL);
	world_reopen(&w);
	CHECK_OK(dmc_tm_pre_commit(w.tm));
	CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
	dmc_tm_unlock(w.tm, blk);
	CHECK_OK(dmc_bm_write_lock(w.bm, 0, &world_sb_validator, &blk));
	CHECK_EQ(dmc_tm_commit(w.tm, blk), -EINVAL);
	world_reopen(&w);
	/* Another block than the superblock. */
	CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
	dmc_tm_unlock(w.tm, blk);
	CHECK_OK(dmc_tm_pre_commit(w.tm));
	CHECK_OK(dmc_bm_write_lock(w.bm, 20, &kind, &blk) == -ENOTBLK ? 0 : -1);
	/* A superblock that was changed before and not flushed. */
	world_reopen(&w);
	CHECK_OK(dmc_bm_write_lock(w.bm, 0, &world_sb_validator, &blk));
	dmc_bm_unlock(blk);
	CHECK_OK(dmc_tm_pre_commit(w.tm));
	CHECK_OK(dmc_bm_write_lock(w.bm, 0, &world_sb_validator, &blk));
	CHECK_EQ(dmc_tm_commit(w.tm, blk), -EINVAL);
	world_reopen(&w);
	world_destroy(&w);
}

/* A commit that fails never lets its superblock out, whenever it fails. */
static void test_failed_commit(void)
{
	enum disk_op op;
	unsigned int n;

	for (op = DISK_WRITE; op <= DISK_FLUSH; op++) {
		for (n = 1; ; n++) {
			struct dmc_block *blk;
			struct world w;
			u64 word;
			int r;

			unit_note("op %u, number %u", op, n);
			world_create(&w, 64);
			w.roots[7].word = 1;
			CHECK_OK(world_commit(&w));
			CHECK_OK(dmc_tm_new_block(w.tm, &kind, &blk));
			dmc_tm_unlock(w.tm, blk);
			w.roots[7].word = 2;
			disk_fail(w.disk, op, n, false);
			r = world_commit(&w);
			if (!w.disk->failed[op]) {
				CHECK_OK(r);
				world_close(&w);
				disk_free(w.disk);
				break;
			}
			CHECK_EQ(r, -EIO);
			CHECK_EQ(world_commit(&w), -EIO);
			/* In memory: what is on the device. */
			CHECK_OK(dmc_bm_read_lock(w.bm, 0, &world_sb_validator, &blk));
			CHECK(!memcmp(dmc_block_data(blk), w.disk->data, 4096));
			dmc_bm_unlock(blk);
			world_reopen(&w);
			word = w.roots[7].word;
			/* The superblock's own write succeeded only if the last flush failed. */
			if (op == DISK_FLUSH && n == 2)
				CHECK_EQ(word, 2);
			else
				CHECK_EQ(word, 1);
			world_close(&w);
			disk_free(w.disk);
		}
		CHECK(n > 2);
	}
}

/* Fills the device; what was there stays, and after an abort there is room as before. */
static void test_full(void)
{
	struct dmc_btree_info info = { .levels = 1, .value_type.size = 8 };
	struct world w;
	u64 size, key, v = 1, committed;
	mblock_t root, free;
	int r;

	for (size = 9; size < 60; size += 7) {
		unit_note("%llu blocks", size);
		world_create(&w, size);
		info.tm = w.tm;
		r = dmc_btree_empty(&info, &root);
		if (r) {
			CHECK_EQ(r, -ENOSPC);
			world_destroy(&w);
			continue;
		}
		w.roots[0] = (struct world_root) { ROOT_TREE1, root };
		world_check(&w);
		free = dmc_tm_nr_free(w.tm);
		committed = 0;
		for (key = 0; ; key++) {
			r = dmc_btree_insert(&info, root, &key, &v, &root, NULL);
			if (r)
				break;
			if (key % 100 == 99) {
				w.roots[0].block = root;
				r = world_commit(&w);
				if (r)
					break;
				CHECK(!world_check_disk(w.disk));
				committed = key + 1;
				free = dmc_tm_nr_free(w.tm);
			}
		}
		CHECK_EQ(r, -ENOSPC);
		CHECK_EQ(world_commit(&w), -EIO);
		world_reopen(&w);
		CHECK_EQ(dmc_tm_nr_free(w.tm), free);
		info.tm = w.tm;
		root = w.roots[0].block;
		for (key = 0; key < committed; key++)
			CHECK_OK(dmc_btree_lookup(&info, root, &key, &v));
		CHECK_EQ(dmc_btree_lookup(&info, root, &key, &v), DMC_NO_ENTRY);
		/* Deleting always works, and makes room. */
		CHECK_OK(dmc_btree_del(&info, root));
		w.roots[0].kind = ROOT_NONE;
		world_check(&w);
		world_destroy(&w);
	}
}

/* As long as there was no -ENOSPC, the commit has the blocks that it needs. */
static void test_reserve(void)
{
	static const u64 sizes[] = { 40, 16320 * 2 + 10 };
	unsigned int i;
	u64 spare;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (spare = 0; spare < 20; spare += 1 + 3 * i) {
			struct dmc_block *blk;
			struct world w;
			u64 n;
			int r = 0;

			unit_note("%llu blocks, %llu left", sizes[i], spare);
			world_create(&w, sizes[i]);
			for (n = dmc_tm_nr_free(w.tm); n > spare && !r; n--) {
				r = dmc_tm_new_block(w.tm, &kind, &blk);
				if (!r)
					dmc_tm_unlock(w.tm, blk);
			}
			CHECK_EQ(world_commit(&w), r ? -EIO : 0);
			CHECK(!r || r == -ENOSPC);
			CHECK_MSG(!r || spare < 9, "no room, with %llu blocks free", spare);
			world_close(&w);
			disk_free(w.disk);
		}
	}
}

static void test_too_small(void)
{
	struct shim_disk *d;
	struct world w;
	u64 blocks;

	for (blocks = 0; blocks < 9; blocks++) {
		d = disk_create(blocks * 8 + 5);
		CHECK(world_open(&w, d) != 0);
		disk_free(d);
	}
	d = disk_create(9 * 8);
	CHECK_OK(world_open(&w, d));
	world_close(&w);
	CHECK(!world_check_disk(d));
	disk_free(d);
}

/* A commit without changes writes the superblock and nothing else. */
static void test_idle_commit(void)
{
	unsigned long writes, flushes;
	struct world w;

	world_create(&w, 64);
	CHECK_OK(world_commit(&w));
	writes = w.disk->count[DISK_WRITE];
	flushes = w.disk->count[DISK_FLUSH];
	CHECK_OK(world_commit(&w));
	CHECK_EQ(w.disk->count[DISK_WRITE] - writes, 1);
	CHECK_EQ(w.disk->count[DISK_FLUSH] - flushes, 2);
	world_destroy(&w);
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "nothing committed is overwritten, flushes where needed", test_write_order },
		{ "shadows", test_shadows },
		{ "a block that was taken back", test_taken_back },
		{ "a spoiled transaction cannot be committed", test_spoiled },
		{ "commits that are refused", test_refused_commits },
		{ "commits that fail", test_failed_commit },
		{ "a full device", test_full },
		{ "room for the commit", test_reserve },
		{ "a device that is too small", test_too_small },
		{ "a commit without changes", test_idle_commit },
		{ }
	};

	return unit_main(argc, argv, tests);
}

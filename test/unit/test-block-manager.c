// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crc32c.h>

#include "persistent-data/block-manager.h"
#include "unit.h"

static int check_calls, check_result;

static int check_cb(const struct dmc_validator *v, const void *data, mblock_t b)
{
	check_calls++;
	return check_result;
}

static const struct dmc_validator kind_a = { .name = "a", .salt = 1234, .blocknr_offset = 8 };
static const struct dmc_validator kind_b = { .name = "b", .salt = 99, .blocknr_offset = 16,
					     .check = check_cb };

static struct shim_disk *disk;
static struct dmc_bm *bm;

static void setup(u64 sectors)
{
	disk = disk_create(sectors);
	bm = dmc_bm_create(disk_bdev(disk), "test");
	CHECK(!IS_ERR(bm));
	check_calls = check_result = 0;
}

static void teardown(void)
{
	dmc_bm_destroy(bm);
	disk_free(disk);
}

/* Block @b, filled with @fill, written and dropped from memory. */
static void prepare(mblock_t b, const struct dmc_validator *v, u8 fill)
{
	struct dmc_block *blk;

	CHECK_OK(dmc_bm_write_lock_zero(bm, b, v, &blk));
	memset(dmc_block_data(blk) + 64, fill, 4096 - 64);
	dmc_bm_unlock(blk);
	CHECK_OK(dmc_bm_flush(bm));
	dmc_bm_forget(bm, b);
}

static void test_contents(void)
{
	struct dmc_block *blk;
	u8 *raw;

	setup(100);
	CHECK_EQ(dmc_bm_nr_blocks(bm), 12);
	prepare(5, &kind_a, 7);
	raw = disk->data + 5 * 4096;
	CHECK_EQ(get_unaligned_le64(raw + 8), 5);
	CHECK_EQ(get_unaligned_le32(raw), crc32c(~0u, raw + 4, 4092) ^ 1234);
	CHECK_EQ(raw[4095], 7);
	prepare(6, &kind_b, 8);
	CHECK_EQ(get_unaligned_le64(disk->data + 6 * 4096 + 16), 6);

	CHECK_OK(dmc_bm_read_lock(bm, 5, &kind_a, &blk));
	CHECK_EQ(dmc_block_location(blk), 5);
	CHECK_EQ(((u8 *)dmc_block_data(blk))[100], 7);
	dmc_bm_unlock(blk);
	/* Checked on the first read only. */
	CHECK_OK(dmc_bm_read_lock(bm, 6, &kind_b, &blk));
	dmc_bm_unlock(blk);
	CHECK_OK(dmc_bm_read_lock(bm, 6, &kind_b, &blk));
	dmc_bm_unlock(blk);
	CHECK_EQ(check_calls, 1);
	teardown();
}

static void test_refusals(void)
{
	struct dmc_block *blk;

	setup(128);
	prepare(3, &kind_a, 1);
	prepare(4, &kind_b, 1);
	CHECK_EQ(dmc_bm_read_lock(bm, 16, &kind_a, &blk), DMC_NOWHERE);
	CHECK_EQ(dmc_bm_read_lock(bm, ~0ull, &kind_a, &blk), DMC_NOWHERE);
	CHECK_EQ(dmc_bm_write_lock_zero(bm, 16, &kind_a, &blk), DMC_NOWHERE);
	CHECK_EQ(dmc_bm_write_lock(bm, 3, NULL, &blk), -EINVAL);
	CHECK(shim_message_seen("block 16"));

	/* Kinds. */
	CHECK_EQ(dmc_bm_read_lock(bm, 3, &kind_b, &blk), -ENOTBLK);
	CHECK_EQ(dmc_bm_read_lock(bm, 4, &kind_a, &blk), -ENOTBLK);
	CHECK_OK(dmc_bm_read_lock(bm, 3, &kind_a, &blk));
	dmc_bm_unlock(blk);
	CHECK_EQ(dmc_bm_read_lock(bm, 3, &kind_b, &blk), -EILSEQ);
	dmc_bm_forget(bm, 3);

	/* One bit; then mended on the device: the next lock reads it again. */
	disk->data[3 * 4096 + 4000] ^= 4;
	CHECK_EQ(dmc_bm_read_lock(bm, 3, &kind_a, &blk), -EILSEQ);
	CHECK_EQ(dmc_bm_write_lock(bm, 3, &kind_a, &blk), -EILSEQ);
	CHECK(shim_message_seen("block 3: not a a, checksum"));
	disk->data[3 * 4096 + 4000] ^= 4;
	CHECK_OK(dmc_bm_read_lock(bm, 3, &kind_a, &blk));
	dmc_bm_unlock(blk);

	check_result = -EPROTO;
	CHECK_EQ(dmc_bm_read_lock(bm, 4, &kind_b, &blk), -EPROTO);
	check_result = 0;
	CHECK_OK(dmc_bm_read_lock(bm, 4, &kind_b, &blk));
	dmc_bm_unlock(blk);

	/* Unchecked bytes, of any block. */
	CHECK_OK(dmc_bm_read_lock(bm, 9, NULL, &blk));
	CHECK(!memchr_inv(dmc_block_data(blk), 0, 4096));
	dmc_bm_unlock(blk);
	CHECK_EQ(dmc_bm_read_lock(bm, 9, &kind_a, &blk), -ENOTBLK);
	teardown();
}

static void test_locks(void)
{
	struct task_struct other = { .pid = 2, .comm = "other" }, *me = shim_current;
	struct dmc_block *a, *b, *c;

	setup(128);
	prepare(1, &kind_a, 1);
	/* Readers share, also of one task; a writer does not. */
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &a));
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &b));
	shim_current = &other;
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &c));
	shim_current = me;
	CHECK_EQ(dmc_bm_write_lock(bm, 1, &kind_a, &c), -EDEADLK);
	CHECK(shim_message_seen("task test asked for a write lock on a block it holds"));
	dmc_bm_unlock(a);
	dmc_bm_unlock(b);
	shim_current = &other;
	CHECK_EQ(dmc_bm_write_lock(bm, 1, &kind_a, &a), -EDEADLK);
	dmc_bm_unlock(c);
	shim_current = me;
	CHECK_OK(dmc_bm_write_lock(bm, 1, &kind_a, &a));
	CHECK_EQ(dmc_bm_write_lock(bm, 1, &kind_a, &b), -EDEADLK);
	CHECK_EQ(dmc_bm_write_lock_zero(bm, 1, &kind_a, &b), -EDEADLK);
	CHECK_EQ(dmc_bm_read_lock(bm, 1, &kind_a, &b), -EDEADLK);
	dmc_bm_unlock(a);
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &a));
	dmc_bm_unlock(a);
	teardown();
}

static void test_discard(void)
{
	struct dmc_block *blk;
	unsigned long writes;

	setup(128);
	prepare(1, &kind_a, 1);
	writes = disk->count[DISK_WRITE];
	CHECK_OK(dmc_bm_write_lock(bm, 1, &kind_a, &blk));
	CHECK(!dmc_block_unwritten(blk));
	memset(dmc_block_data(blk) + 64, 9, 100);
	dmc_bm_unlock_discard(blk);
	CHECK_OK(dmc_bm_flush(bm));
	CHECK_EQ(disk->count[DISK_WRITE], writes);
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &blk));
	CHECK_EQ(((u8 *)dmc_block_data(blk))[64], 1);
	dmc_bm_unlock(blk);

	CHECK_OK(dmc_bm_write_lock(bm, 1, &kind_a, &blk));
	dmc_bm_unlock(blk);
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &blk));
	CHECK(dmc_block_unwritten(blk));
	dmc_bm_unlock(blk);
	CHECK_OK(dmc_bm_flush(bm));
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &blk));
	CHECK(!dmc_block_unwritten(blk));
	dmc_bm_unlock(blk);
	teardown();
}

static void test_io_errors(void)
{
	struct dmc_block *blk;

	setup(128);
	prepare(1, &kind_a, 1);
	disk_fail(disk, DISK_READ, 1, false);
	CHECK_EQ(dmc_bm_read_lock(bm, 1, &kind_a, &blk), -EIO);
	CHECK(shim_message_seen("test: block 1: cannot be read (-"));
	CHECK_OK(dmc_bm_read_lock(bm, 1, &kind_a, &blk));
	dmc_bm_unlock(blk);

	/* A failed write shows at the flush, and at every later one. */
	disk_fail(disk, DISK_WRITE, 1, false);
	CHECK_OK(dmc_bm_write_lock(bm, 1, &kind_a, &blk));
	dmc_bm_unlock(blk);
	CHECK_EQ(dmc_bm_flush(bm), -EIO);
	CHECK_EQ(dmc_bm_flush(bm), -EIO);
	teardown();

	setup(128);
	disk_fail(disk, DISK_FLUSH, 1, false);
	CHECK_EQ(dmc_bm_flush(bm), -EIO);
	CHECK_EQ(dmc_bm_flush(bm), -EIO);
	teardown();

	/* Also one that happened early, when the cache made room. */
	shim_bufio_set_cache(2);
	setup(128);
	disk_fail(disk, DISK_WRITE, 1, false);
	for (int i = 1; i < 6; i++) {
		CHECK_OK(dmc_bm_write_lock_zero(bm, i, &kind_a, &blk));
		dmc_bm_unlock(blk);
	}
	CHECK(disk->failed[DISK_WRITE]);
	CHECK_EQ(dmc_bm_flush(bm), -EIO);
	teardown();
	shim_bufio_set_cache(64);
}

static void test_create_fails(void)
{
	unsigned long n;

	disk = disk_create(64);
	for (n = 1; ; n++) {
		shim_fail_alloc(n);
		bm = dmc_bm_create(disk_bdev(disk), "test");
		if (!shim_alloc_failed())
			break;
		CHECK(IS_ERR(bm));
		CHECK_EQ(PTR_ERR(bm), -ENOMEM);
	}
	CHECK(n > 2 && !IS_ERR(bm));
	teardown();
}

static void test_prefetch(void)
{
	struct dmc_block *blk;
	unsigned long reads;

	setup(128);
	prepare(3, &kind_a, 1);
	dmc_bm_prefetch(bm, 3);
	dmc_bm_prefetch(bm, 1000);
	dmc_bm_prefetch_run(bm, 14, 1000);
	reads = disk->count[DISK_READ];
	CHECK_OK(dmc_bm_read_lock(bm, 3, &kind_a, &blk));
	dmc_bm_unlock(blk);
	CHECK_OK(dmc_bm_read_lock(bm, 15, NULL, &blk));
	dmc_bm_unlock(blk);
	CHECK_EQ(disk->count[DISK_READ], reads);
	teardown();
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		{ "checksum and number, written and checked", test_contents },
		{ "refuses blocks that are not what they should be", test_refusals },
		{ "locks, and self-deadlock", test_locks },
		{ "discarded changes", test_discard },
		{ "failing reads, writes, flushes", test_io_errors },
		{ "failing allocations in create", test_create_fails },
		{ "reads ahead", test_prefetch },
		{ }
	};

	return unit_main(argc, argv, tests);
}

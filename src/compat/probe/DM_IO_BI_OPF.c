/* SPDX-License-Identifier: GPL-2.0-only */
unsigned int probe(struct dm_io_request *req)
{
	return (__force unsigned int)req->bi_opf;
}

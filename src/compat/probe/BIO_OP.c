/* SPDX-License-Identifier: GPL-2.0-only */
bool probe(struct bio *bio)
{
	return bio_op(bio) == REQ_OP_DISCARD || op_is_write(bio_op(bio));
}

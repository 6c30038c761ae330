/* SPDX-License-Identifier: GPL-2.0-only */
/* Control: wrong arguments and an unknown function. If this compiles, no answer means anything. */
int probe(struct bio *bio)
{
	bio_endio("not a bio", 1);
	return a_function_that_no_kernel_has(bio);
}

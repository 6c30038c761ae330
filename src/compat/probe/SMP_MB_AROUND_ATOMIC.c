/* SPDX-License-Identifier: GPL-2.0-only */
void probe(void)
{
	smp_mb__before_atomic();
	smp_mb__after_atomic();
}

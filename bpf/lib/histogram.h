/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Histograms over powers of two: one atomic addition to a bucket and one to the sum. */
#pragma once
#include "count.h"
#include "hook.h"

/*
 * The bucket of a time. A function of its own for the verifier, too: it looks at this once, and takes the answer for
 * any number, instead of following each of the buckets through everything that comes after.
 */
__attribute__((noinline)) __u32 histogram_bucket(__u64 ns, __u32 shift)
{
	__u64 rest = ns >> (shift & 63);
	__u32 bits = 0;

	if (rest >> (MALLA_HISTOGRAM_BUCKETS - 2))
		return MALLA_HISTOGRAM_BUCKETS - 1;
	for (int step = 16; step; step /= 2) {
		if (rest >> step) {
			rest >>= step;
			bits += step;
		}
	}
	return bits + (__u32)rest;
}

static __always_inline void histogram_add(struct malla_histogram *histogram, __u64 ns, __u32 shift)
{
	__u32 bucket = histogram_bucket(ns, shift);

	if (bucket >= MALLA_HISTOGRAM_BUCKETS)
		return; /* it never is; the verifier wants to hear it */
	COUNT(histogram, sum, ns);
	__sync_fetch_and_add(&histogram->bucket[bucket], 1);
}

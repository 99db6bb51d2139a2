/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Histograms over powers of two: one atomic addition to a bucket and one to the sum. */
#pragma once
#include "count.h"
#include "hook.h"
#include "maps.h"

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

/* What the times of new pairs begin with. */
static const struct malla_times times_zero;

/* The histograms of the connection's workloads and service, made at their first use; the overflow bucket when there
 * is no room; NULL when that is missing too. */
static __always_inline struct malla_times *times_of(const struct malla_connection *record)
{
	struct malla_times_key key = {
		.source_workload = record->source_workload,
		.target_workload = record->target_workload,
		.service = record->service,
	};
	struct malla_times_key overflow = {};
	struct malla_times *times = bpf_map_lookup_elem(&malla_times, &key);

	if (times)
		return times;
	bpf_map_update_elem(&malla_times, &key, &times_zero, BPF_NOEXIST);
	times = bpf_map_lookup_elem(&malla_times, &key);
	return times ? times : bpf_map_lookup_elem(&malla_times, &overflow);
}

/* It took so long to get established. */
static __always_inline void time_connect(const struct malla_connection *record)
{
	struct malla_times *times = times_of(record);

	if (times)
		histogram_add(&times->connect, record->established - record->opened, MALLA_SHIFT_LATENCY);
}

/* It lasted so long. `srtt_us`: as the kernel keeps it, in eighths of a microsecond; 0: never measured. */
static __always_inline void time_end(const struct malla_connection *record, __u64 lasted, __u32 srtt_us, bool with_connect)
{
	struct malla_times *times = times_of(record);

	if (!times)
		return;
	if (with_connect)
		histogram_add(&times->connect, record->established - record->opened, MALLA_SHIFT_LATENCY);
	histogram_add(&times->duration, lasted, MALLA_SHIFT_DURATION);
	if (srtt_us)
		histogram_add(&times->round_trip, srtt_us * 1000ull / 8, MALLA_SHIFT_LATENCY);
}

/* The connection was opened: said at once of what is kept with its socket. */
static __always_inline void record_opened(struct malla_connection *record)
{
	struct malla_counter *counter = counter_of(record);

	record->flags |= MALLA_CONNECTION_COUNTED;
	if (counter)
		COUNT(counter, opened, 1);
	if (record->direction == MALLA_OUTBOUND)
		time_connect(record);
}

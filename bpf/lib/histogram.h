/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Histograms over powers of two: one atomic addition to a bucket and one to the sum. */
#pragma once
#include "count.h"
#include "hook.h"
#include "maps.h"

/* Where the highest bit of a number below 2^32 is whose lower bits are all set, by a De Bruijn sequence; one more than that. */
static const __u8 histogram_bits[32] = {1,  10, 2,  11, 14, 22, 3, 30, 12, 15, 17, 19, 23, 26, 4, 31,
					9,  13, 21, 29, 16, 18, 25, 8, 20, 28, 24, 7,  27, 6,  5, 32};

/* The bucket of a time. Without a branch, which nobody could foretell. */
static __always_inline __u32 histogram_bucket(__u64 ns, __u32 shift)
{
	__u64 whole = ns >> shift;
	__u32 rest = whole;

	if (whole >> (MALLA_HISTOGRAM_BUCKETS - 2))
		return MALLA_HISTOGRAM_BUCKETS - 1;
	if (!rest)
		return 0;
	rest |= rest >> 1;
	rest |= rest >> 2;
	rest |= rest >> 4;
	rest |= rest >> 8;
	rest |= rest >> 16;
	rest = rest * 0x07c4acddu >> 27;
	asm volatile("%0 &= 31" : "+r"(rest)); /* it is below 32 already; the verifier wants to hear it */
	return histogram_bits[rest];
}

static __always_inline void histogram_add(struct malla_histogram *histogram, __u64 ns, __u32 shift)
{
	__u32 bucket = histogram_bucket(ns, shift);

	asm volatile("" : "+r"(bucket)); /* else the compiler asks for it in a way that the verifier does not understand */

	if (bucket >= MALLA_HISTOGRAM_BUCKETS)
		return; /* it never is; the verifier wants to hear it */
	COUNT(histogram, sum, ns);
	__sync_fetch_and_add(&histogram->bucket[bucket], 1);
}

/* What the times of new pairs begin with. */
static const struct malla_times times_zero;

/* The histograms of a new pair: made; the overflow bucket when there is no room; NULL when that is missing too. */
SUBPROGRAM struct malla_times *times_made(const struct malla_times_key *key)
{
	struct malla_times_key overflow = {};
	struct malla_times *times;

	bpf_map_update_elem(&malla_times, key, &times_zero, BPF_NOEXIST);
	times = bpf_map_lookup_elem(&malla_times, key);
	return times ? times : bpf_map_lookup_elem(&malla_times, &overflow);
}

/* The histograms of the connection's workloads and service. */
static __always_inline struct malla_times *times_of(const struct malla_connection *record)
{
	struct malla_times_key key = {
		.source_workload = record->source_workload,
		.target_workload = record->target_workload,
		.service = record->service,
	};
	struct malla_times *times = bpf_map_lookup_elem(&malla_times, &key);

	return SELDOM(!times) ? times_made(&key) : times;
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
SUBPROGRAM void record_opened(struct malla_connection *record)
{
	struct malla_counter *counter = counter_of(record);

	record->flags |= MALLA_CONNECTION_COUNTED;
	if (counter)
		COUNT(counter, opened, 1);
	counter = counts_for_both(record) ? counter_of_accepted(record) : 0;
	if (counter)
		COUNT(counter, opened, 1);
	if (record->direction == MALLA_OUTBOUND)
		time_connect(record);
}

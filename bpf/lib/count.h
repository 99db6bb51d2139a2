/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Exact counters, per CPU, by who connects to whom, how and why. */
#pragma once
#include "hook.h"
#include "maps.h"
#include "stat.h"

/* Adds to a field of a counter. Atomic although the map is per CPU: a packet's program may
 * interrupt a system call's between its load and its store. */
#define COUNT(counter, field, amount) __sync_fetch_and_add(&(counter)->field, (amount))

static __always_inline void counter_key_of(const struct malla_connection *record, struct malla_counter_key *key)
{
	*key = (struct malla_counter_key){
		.source = record->source,
		.source_workload = record->source_workload,
		.target = record->target,
		.target_workload = record->target_workload,
		.service = record->service,
		.reason = record->reason,
		.path = record->path,
		.direction = record->direction,
	};
}

/* What a counter begins with. Not on the stack, where its size would be felt. */
static const struct malla_counter counter_zero;

/* This CPU's counter of a key that had none: made; one for all CPUs when there is no memory for that just now; the
 * overflow bucket when the maps are full; NULL when that is missing too. */
SUBPROGRAM struct malla_counter *counter_made(const struct malla_counter_key *key)
{
	struct malla_counter *counter;
	struct malla_counter_key overflow = {};

	/* Another CPU may have made it meanwhile: the second look finds either. */
	bpf_map_update_elem(&malla_counters, key, &counter_zero, BPF_NOEXIST);
	counter = bpf_map_lookup_elem(&malla_counters, key);
	if (counter)
		return counter;
	bpf_map_update_elem(&malla_spare, key, &counter_zero, BPF_NOEXIST);
	counter = bpf_map_lookup_elem(&malla_spare, key);
	if (counter)
		return counter;
	stat_add(MALLA_STAT_COUNTERS_OVERFLOW);
	return bpf_map_lookup_elem(&malla_counters, &overflow);
}

static __always_inline struct malla_counter *counter_at(const struct malla_counter_key *key)
{
	struct malla_counter *counter = bpf_map_lookup_elem(&malla_counters, key);

	return SELDOM(!counter) ? counter_made(key) : counter;
}

static __always_inline struct malla_counter *counter_of(const struct malla_connection *record)
{
	struct malla_counter_key key;

	counter_key_of(record, &key);
	return counter_at(&key);
}

/* Both ends of the connection are this record's: the accepting one is counted by it, too. */
static __always_inline bool counts_for_both(const struct malla_connection *record)
{
	return record->meeting == MALLA_MEETING_TAKEN;
}

/* The counter of the accepting end of a connection that is told by its connecting end. */
static __always_inline struct malla_counter *counter_of_accepted(const struct malla_connection *record)
{
	struct malla_counter_key key;

	counter_key_of(record, &key);
	key.direction = MALLA_INBOUND;
	return counter_at(&key);
}

/* One refusal, by the end that refused. */
static __always_inline void count_refused(const struct malla_explanation *it, __u8 direction)
{
	struct malla_counter_key key = {
		.source = it->source,
		.source_workload = it->source_workload,
		.target = it->endpoint.identity,
		.target_workload = it->endpoint.workload,
		.service = it->service,
		.reason = it->reason,
		.path = MALLA_PATH_DENY,
		.direction = direction,
	};
	struct malla_counter *counter = counter_at(&key);

	if (counter)
		COUNT(counter, denied, 1);
}

static __always_inline void count_denied(const struct malla_explanation *it)
{
	count_refused(it, MALLA_OUTBOUND);
}

/* A connection that was cut. Counted as refused, under the reason: what the connection has moved stays where it is counted. */
static __always_inline void count_cut(const struct malla_connection *record, __u32 reason)
{
	struct malla_counter_key key;
	struct malla_counter *counter;

	counter_key_of(record, &key);
	key.reason = reason;
	counter = counter_at(&key);
	if (counter)
		COUNT(counter, denied, 1);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * How many connections each endpoint has, for services that are balanced by it: from the SYN, so that one that does not
 * answer is not taken for idle, to the end, whatever ends it. Exact: a connection is counted once, and ends where it
 * was counted, or nowhere if that entry is gone.
 */
#pragma once
#include "maps.h"
#include "stat.h"

static __always_inline void active_begin(struct malla_connection *record)
{
	__u32 endpoint = record->endpoint;
	struct malla_active *active = bpf_map_lookup_elem(&malla_active, &endpoint);

	if (!active) {
		struct malla_active first = {.birth = bpf_get_prandom_u32() | 1};

		/* Another CPU may have made it meanwhile: the second look finds either. */
		bpf_map_update_elem(&malla_active, &endpoint, &first, BPF_NOEXIST);
		active = bpf_map_lookup_elem(&malla_active, &endpoint);
	}
	if (!active) {
		stat_add(MALLA_STAT_ACTIVE_FAILED);
		return;
	}
	record->birth = active->birth;
	__sync_fetch_and_add(&active->connections, 1);
}

static __always_inline void active_end(struct malla_connection *record)
{
	__u32 endpoint = record->endpoint;
	struct malla_active *active;

	if (!record->birth)
		return;
	active = bpf_map_lookup_elem(&malla_active, &endpoint);
	if (active && active->birth == record->birth)
		__sync_fetch_and_add(&active->connections, -1);
	record->birth = 0;
}

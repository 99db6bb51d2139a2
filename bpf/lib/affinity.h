/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Which endpoint a client had last: what is written about it. How it is used stands in balance.h. */
#pragma once
#include "balance.h"
#include "maps.h"

/* Keeps, or keeps on, what was decided. */
static __always_inline void affinity_keep(const struct malla_explanation *it)
{
	struct malla_affinity kept = {.until = bpf_ktime_get_ns() + it->affinity, .endpoint = it->picked};
	struct malla_affinity_key key;

	if (!it->affinity || !it->picked)
		return;
	affinity_key(it, &key);
	bpf_map_update_elem(&malla_affinity, &key, &kept, BPF_ANY);
}

/* The connect failed: the next one shall not have to try the same endpoint. */
static __always_inline void affinity_forget(const struct malla_connection *record)
{
	struct malla_affinity_key key = {
		.service = record->service,
		.source_workload = record->source_workload,
		.port = record->original_port,
		.protocol = record->protocol,
		.is_ipv4 = addr_is_ipv4(&record->original),
	};
	const struct malla_affinity *kept;

	if (!(record->flags & MALLA_CONNECTION_STICKY))
		return;
	kept = bpf_map_lookup_elem(&malla_affinity, &key);
	if (kept && kept->endpoint == record->endpoint)
		bpf_map_delete_elem(&malla_affinity, &key);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Policies that are only tried out: what they would have changed is counted and told. */
#pragma once
#include "event.h"
#include "maps.h"

/* Kept apart from refusals of the same kind where events are limited. */
#define REHEARSED_LIMIT 0x8000

static __always_inline void count_rehearsed(const struct malla_explanation *it)
{
	struct malla_rehearsal_key key = {
		.source = it->source,
		.source_workload = it->source_workload,
		.target = it->endpoint.identity,
		.target_workload = it->endpoint.workload,
		.rule = it->would_rule,
		.reason = it->would_reason,
	};
	__u64 *count = bpf_map_lookup_elem(&malla_rehearsals, &key);
	__u64 zero = 0;

	if (!count) {
		/* Another CPU may have made it meanwhile: the second look finds either. */
		bpf_map_update_elem(&malla_rehearsals, &key, &zero, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&malla_rehearsals, &key);
	}
	if (!count) {
		__builtin_memset(&key, 0, sizeof(key));
		count = bpf_map_lookup_elem(&malla_rehearsals, &key);
	}
	if (count)
		__sync_fetch_and_add(count, 1);
}

/* To be called once for each decision, with what it said. */
SUBPROGRAM void tell_rehearsed(const struct malla_explanation *it)
{
	struct malla_limit_key limit = {
		.source_workload = it->source_workload,
		.target_workload = it->endpoint.workload,
		.service = it->service,
		.port = it->port,
		.reason = it->would_reason | REHEARSED_LIMIT,
	};
	struct malla_event *event;

	if (!it->would_differ)
		return;
	count_rehearsed(it);
	if (!event_admitted(&limit))
		return;
	event = event_reserve(MALLA_EVENT_REHEARSED);
	if (!event)
		return;
	event->cgroup = it->cgroup;
	event->original = it->addr;
	event->original_port = it->port;
	event->destination = it->endpoint.addr;
	event->destination_port = it->endpoint.port;
	event->reason = it->would_reason;
	event->path = it->path;
	event->protocol = it->protocol;
	event->source = it->source;
	event->source_workload = it->source_workload;
	event->target = it->endpoint.identity;
	event->target_workload = it->endpoint.workload;
	event->service = it->service;
	event->rule = it->would_rule;
	bpf_ringbuf_submit(event, 0);
}

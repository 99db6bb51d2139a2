/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The beginning of a flow: its entry in malla_flows. */
#pragma once
#include "front.h"
#include "record.h"
#include "scratch.h"

/* A record of what was decided in `scratch->it`, as the workload's own end has it. */
static __always_inline void begin_record(__u32 index, struct scratch *scratch, struct malla_connection *record)
{
	const struct malla_explanation *it = &scratch->it;

	__builtin_memset(record, 0, sizeof(*record));
	record_write(record, it);
	record->destination = it->addr;
	record->destination_port = it->port;
	if (it->path == MALLA_PATH_DIRECT && it->service) {
		record->destination = it->endpoint.addr;
		record->destination_port = it->endpoint.port;
	}
	record->flags |= MALLA_CONNECTION_BY_PACKET;
	record->from = scratch->packet.source;
	record->cgroup = index;
	record->netns = scratch->interface.netns;
}

/* Is it the flow that is there already, and goes where the new one would go? */
static __always_inline bool begin_is_same(const struct malla_flow *flow, const struct malla_connection *record, __u32 flags)
{
	const __u32 kind = MALLA_FLOW_TRANSLATED | MALLA_FLOW_BACK;

	return flow->connection.protocol == IPPROTO_UDP && (flow->flags & kind) == (flags & kind) &&
	       flow->connection.direction == record->direction && flow->connection.source == record->source &&
	       flow->connection.source_workload == record->source_workload &&
	       flow->connection.target_workload == record->target_workload &&
	       flow->connection.service == record->service && flow->connection.path == record->path &&
	       flow->connection.destination_port == record->destination_port &&
	       addr_equal(&flow->connection.destination, &record->destination);
}

/* Makes the entry for `scratch->record`, or makes the one that is there fresh again: a flow of datagrams is decided anew
 * from time to time. False: no room, which an LRU map has always but for a moment. */
SUBPROGRAM bool begin(struct scratch *scratch, const struct malla_flow_key *key, __u32 index, __u32 flags)
{
	struct malla_flow *flow = &scratch->flow, *old = bpf_map_lookup_elem(&malla_flows, key);

	if (old && old->interface == index && begin_is_same(old, &scratch->record, flags)) {
		flow_count(old);
		old->connection.rule = scratch->record.rule;
		old->connection.generation = scratch->record.generation;
		old->judged = bpf_jiffies64();
		return true;
	}
	/* Without an entry, too: that may have been evicted, and what stands before it says other numbers than the new one's. */
	if (key->protocol == IPPROTO_TCP)
		front_leave(key, old ? old->interface : index, old);
	if (old && old->connection.protocol == IPPROTO_TCP) {
		flow_close(old);
	} else if (old) {
		flow_count(old);
	}
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->connection = scratch->record;
	flow->judged = bpf_jiffies64();
	flow->interface = index;
	flow->flags = flags;
	if (key->protocol == IPPROTO_UDP && !(flags & MALLA_FLOW_BACK))
		flow_open(flow);
	return !bpf_map_update_elem(&malla_flows, key, flow, BPF_ANY);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Who comes to a workload in a network namespace, and may it? In the terms of the workload's end: `scratch->glance.key`
 * has the workload as `local`, `scratch->interface` is its interface.
 */
#pragma once
#include "begin.h"
#include "decide.h"
#include "event.h"
#include "rehearse.h"
#include "source.h"

/* The question, with this source; zero: nobody knows who it is. */
static __always_inline void arrive_ask(struct scratch *scratch, const struct malla_workload *source)
{
	const struct malla_flow_key *key = &scratch->glance.key;
	struct malla_explanation *it = &scratch->it;

	__builtin_memset(it, 0, sizeof(*it));
	it->addr = key->local;
	it->port = key->local_port;
	it->protocol = key->protocol;
	it->is_ipv4 = scratch->glance.is_ipv4;
	it->seen = MALLA_SEEN_ON_PACKET;
	it->generation = generation_now();
	it->source = source->identity;
	it->source_workload = source->workload;
	it->endpoint.identity = scratch->interface.source.identity;
	it->endpoint.workload = scratch->interface.source.workload;
	it->path = MALLA_PATH_DIRECT;
}

/* Asks policy, for whom no hook has asked it yet. The answer is in `scratch->it`. */
SUBPROGRAM void arrive_decide(struct scratch *scratch, const struct malla_workload *source)
{
	struct malla_explanation *it = &scratch->it;
	struct malla_endpoint *endpoint = &scratch->endpoint;
	struct policy_question *asked = &scratch->asked;
	struct ruling ruling;

	arrive_ask(scratch, source);
	stat_add(MALLA_STAT_DECISIONS);
	if (!it->generation)
		return deny(it, MALLA_REASON_NOT_READY);
	if (!endpoint_at(&it->addr, it->port, endpoint))
		return deny(it, MALLA_REASON_POLICY_MISSING);
	if (endpoint->flags & MALLA_ENDPOINT_AMBIGUOUS)
		return deny(it, MALLA_REASON_AMBIGUOUS_ENDPOINT);
	if (endpoint->workload != scratch->interface.source.workload)
		return deny(it, MALLA_REASON_ENDPOINT_CHANGED);
	it->endpoint = *endpoint;
	*asked = (struct policy_question){
		.generation = it->generation,
		.scope = endpoint->scope,
		.source = it->source,
		.source_workload = it->source_workload,
		.to = it->endpoint.addr,
		.is_ipv4 = addr_is_ipv4(&it->addr),
		.port = endpoint->port ? endpoint->port : it->port,
	};
	policy_ask_from(asked, &scratch->glance.key.remote);
	ruling = ask_policy(it, asked);
	tell_rehearsed(it);
	if (ruling.reason != MALLA_REASON_PASSED)
		deny_by_policy(it, ruling.reason);
}

/* Begins the workload's end of what `scratch->it` allows. `cgroup`: of a source on this node; 0: unknown. */
static __always_inline void arrive_begin(struct scratch *scratch, __u32 index, __u64 cgroup, __u32 flags)
{
	struct malla_connection *record = &scratch->record;

	__builtin_memset(record, 0, sizeof(*record));
	record_write(record, &scratch->it);
	record->destination = scratch->it.addr;
	record->destination_port = scratch->it.port;
	record->direction = MALLA_INBOUND;
	record->from = scratch->glance.key.remote;
	record->cgroup = cgroup;
	record->netns = scratch->interface.netns;
	begin(scratch, &scratch->glance.key, index, flags);
}

/* The same of a connection that was decided where it began, `outbound`. False: it was meant for another workload, which
 * had the address before. */
static __always_inline bool arrive_take_over(struct scratch *scratch, __u32 index,
					     const struct malla_connection *outbound)
{
	struct malla_connection *record = &scratch->record;

	*record = *outbound;
	if (record->path == MALLA_PATH_DIRECT && record->target_workload != scratch->interface.source.workload)
		return false;
	record->target = scratch->interface.source.identity;
	record->target_workload = scratch->interface.source.workload;
	record->direction = MALLA_INBOUND;
	record->state = 0;
	record->established = 0;
	record->sent = 0;
	record->received = 0;
	begin(scratch, &scratch->glance.key, index, 0);
	return true;
}

/* The flow of the other end, where that is a workload in a network namespace of this node, too; NULL: it is not. */
static __always_inline struct malla_flow *arrive_origin(struct scratch *scratch)
{
	const struct malla_flow_key *key = &scratch->glance.key;
	struct malla_flow *flow;

	scratch->back = (struct malla_flow_key){
		.local = key->remote,
		.remote = key->local,
		.local_port = key->remote_port,
		.remote_port = key->local_port,
		.protocol = key->protocol,
	};
	flow = bpf_map_lookup_elem(&malla_flows, &scratch->back);
	return flow && flow->connection.direction == MALLA_OUTBOUND ? flow : 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Judges a connection again that was allowed once: by the rules of the generation in force. */
#pragma once
#include "endpoint.h"
#include "hook.h"
#include "maps.h"
#include "policy.h"
#include "source.h"

/* Who the workload is that has this address and port now, when that can be told; false: nobody, so the mesh has no say
 * about it any more. A connection that a service brought about is looked up among the endpoints of its own
 * workload where several workloads claim one address. */
SUBPROGRAM bool judge_endpoint(const struct malla_connection *record, struct malla_endpoint *endpoint)
{
	struct malla_endpoint_key key = {
		.endpoint = MALLA_ENDPOINT_OF_WORKLOAD | record->target_workload,
		.addr = record->destination,
		.port = record->destination_port,
	};

	if (!endpoint_at(&record->destination, record->destination_port, endpoint))
		return false;
	if (endpoint->flags & MALLA_ENDPOINT_AMBIGUOUS && record->service &&
	    !endpoint_of(&key, endpoint))
		endpoint->flags = MALLA_ENDPOINT_AMBIGUOUS;
	return true;
}

/* Who is at the connection's source now: in the cgroup, or behind the interface that its packets came by. */
static __always_inline bool judge_source(const struct malla_connection *record, struct malla_workload *source)
{
	const struct malla_interface *interface;
	__u32 index = record->cgroup;

	if (!(record->flags & MALLA_CONNECTION_BY_PACKET))
		return workload_of(record->cgroup, source);
	interface = entry_find(&malla_interfaces, &index);
	if (!interface)
		return false;
	source->workload = interface->workload;
	source->identity = interface->identity;
	return true;
}

/* Did the endpoint leave the service that led there, and is the grace time over? */
SUBPROGRAM bool judge_drained(const struct malla_connection *record)
{
	struct malla_drain_key key = {.service = record->service, .endpoint = record->endpoint};
	const __u64 *deadline;

	if (!record->service || !record->endpoint || record->path != MALLA_PATH_DIRECT)
		return false;
	deadline = bpf_map_lookup_elem(&malla_drains, &key);
	return deadline && bpf_ktime_get_ns() >= *(const volatile __u64 *)deadline;
}

/* Is the connection's source still the workload, with the identity, that it was when it connected? */
SUBPROGRAM bool judge_is_same(const struct malla_connection *record)
{
	struct malla_workload source = {};

	return judge_source(record, &source) && source.workload == record->source_workload &&
	       source.identity == record->source;
}

/*
 * May the connection go on? PASSED with the rule that allows it, or why not.
 *  1 its source must still be the workload, with the identity, that it was when it connected
 *  2 through the proxy or to the resolver: those judge what comes after them
 *  3 an endpoint that left the service by which the connection came there, once its grace time is over
 *  4 an address that no workload has: not the mesh's business, now
 *  5 an address that went to another workload, or to another node, which nobody reaches without a tunnel
 *  6 policy, of the endpoint as it is now
 * A source that nobody knows (not `known`) has 4 and 6 only: policy is asked as it would be about anybody.
 */
static __always_inline struct ruling judge_as(const struct malla_connection *record, __u32 generation, bool known)
{
	struct malla_endpoint endpoint = {};
	struct policy_question asked;
	struct ruling ruling;

	if (known && !judge_is_same(record))
		return (struct ruling){MALLA_REASON_IDENTITY_CHANGED, 0}; /* 1 */
	if (known && (record->path == MALLA_PATH_PROXY || record->path == MALLA_PATH_DNS))
		return (struct ruling){MALLA_REASON_PASSED, record->rule}; /* 2 */
	if (known && judge_drained(record))
		return (struct ruling){MALLA_REASON_DRAINED_BACKEND, 0}; /* 3 */
	if (!judge_endpoint(record, &endpoint))
		return (struct ruling){MALLA_REASON_PASSED, record->rule}; /* 4 */
	if (known && (endpoint.flags & (MALLA_ENDPOINT_AMBIGUOUS | MALLA_ENDPOINT_REMOTE) ||
		      (record->path == MALLA_PATH_DIRECT && endpoint.workload != record->target_workload)))
		return (struct ruling){MALLA_REASON_ENDPOINT_CHANGED, 0}; /* 5 */
	asked = (struct policy_question){
		.generation = generation,
		.scope = endpoint.scope,
		.source = record->source,
		.source_workload = record->source_workload,
		.to = endpoint.addr,
		.is_ipv4 = addr_is_ipv4(&record->original),
		.port = endpoint.port ? endpoint.port : record->destination_port,
	};
	policy_ask_from(&asked, addr_is_zero(&record->from) ? 0 : &record->from);
	ruling = policy_rule(&asked);
	if (ruling.reason != MALLA_REASON_PASSED)
		ruling.reason = MALLA_REASON_REVOKED; /* 6 */
	return ruling;
}

static __always_inline struct ruling judge(const struct malla_connection *record, __u32 generation)
{
	return judge_as(record, generation, true);
}

/* The same for a flow of packets. */
static __always_inline struct ruling judge_flow(const struct malla_flow *flow, __u32 generation)
{
	const struct malla_connection *record = &flow->connection;

	if (flow->flags & MALLA_FLOW_EXEMPT)
		return (struct ruling){MALLA_REASON_PASSED, record->rule};
	return judge_as(record, generation, record->source_workload != 0);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * May a new flow come in to a port of this node? Whoever connects by a hook was judged there and left a record on the
 * way; this judges everybody else, at the workload that they come to.
 */
#pragma once
#include "config.h"
#include "decide.h"
#include "hook.h"
#include "meeting.h"

/* A flow that no socket of this node has yet. */
struct inbound {
	struct malla_addr source;
	struct malla_addr destination;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u32 interface; /* by which it came */
};

static __always_inline void inbound_read(struct bpf_sk_lookup *ctx, struct inbound *flow)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	if (ctx->family == MALLA_AF_INET) {
		flow->source = addr_from_ipv4(ctx->remote_ip4);
		flow->destination = addr_from_ipv4(ctx->local_ip4);
	} else {
		flow->source = (struct malla_addr){
			{ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2], ctx->remote_ip6[3]}};
		flow->destination = (struct malla_addr){
			{ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3]}};
	}
	flow->source_port = bpf_ntohs(ctx->remote_port);
	flow->destination_port = ctx->local_port;
	flow->protocol = ctx->protocol;
	flow->interface = ctx->ingress_ifindex;
}

/* Was it decided on a packet, as it left a network namespace of this node? Its packets come by their interface, or, in a
 * bridge, by that. */
static __always_inline bool inbound_is_of_namespace(const struct inbound *flow)
{
	struct malla_flow_key key = {
		.local = flow->source,
		.remote = flow->destination,
		.local_port = flow->source_port,
		.remote_port = flow->destination_port,
		.protocol = flow->protocol,
	};
	const struct malla_flow *entry;

	/* Here malla_veth itself may ask for the packet's socket, before it has judged it. */
	if (entry_find(&malla_interfaces, &flow->interface))
		return true;
	entry = bpf_map_lookup_elem(&malla_flows, &key);
	return entry && entry->connection.direction == MALLA_OUTBOUND;
}

/* Was it decided by connect()? */
static __always_inline bool inbound_is_decided(const struct inbound *flow, __u64 netns)
{
	struct malla_tuple tuple = {
		.source = flow->source,
		.destination = flow->destination,
		.source_port = flow->source_port,
		.destination_port = flow->destination_port,
		.netns = netns,
	};

	__u64 cookie;

	return flow->protocol == IPPROTO_TCP &&
	       (meeting_record(&tuple, &cookie) || bpf_map_lookup_elem(&malla_handoffs, &tuple));
}

/* Is it of the proxy or a probe? */
static __always_inline bool inbound_is_permitted(const struct inbound *flow, __u64 netns)
{
	struct malla_permit_key key = {
		.source = flow->source,
		.destination = flow->destination,
		.source_port = flow->source_port,
		.destination_port = flow->destination_port,
		.protocol = flow->protocol,
		.netns = netns,
	};

	return bpf_map_lookup_elem(&malla_permits, &key);
}

/*
 * Judges `flow`; true: refused, and `it` says why.
 *  1 a port that no workload of this node has: nobody guards it, at the cost of one lookup. Nor does that of
 *    tunnels: the proxy judges what they carry
 *  2 decided by connect(), as most are
 *  3 an address of somebody else: the kernel asks about those too, for packets that only pass
 *  4 datagrams of this node: who sent one cannot be told here, but where they leave (loopback.bpf.c)
 *  5 decided where it began on a packet; of the proxy, or a probe
 *  6 an unknown source, whom policy is asked about as it would be about anybody
 */
static __always_inline bool inbound_is_refused(const struct inbound *flow, const struct malla_config *config,
					       struct malla_explanation *it)
{
	struct malla_endpoint *endpoint = &it->endpoint;
	struct policy_question asked;
	struct ruling ruling;
	__u64 netns = config->netns;

	it->generation = generation_now();
	if (config->tunnel_port && flow->destination_port == config->tunnel_port && flow->protocol == IPPROTO_TCP)
		return false; /* 1 */
	if (!endpoint_has_port(flow->destination_port))
		return false; /* 1 */
	if (inbound_is_decided(flow, netns))
		return false; /* 2 */
	if (!addr_is_local(&flow->destination))
		return false; /* 3 */
	if (!endpoint_at(&flow->destination, flow->destination_port, endpoint))
		return false; /* 1 */
	if (flow->protocol != IPPROTO_TCP && addr_is_local(&flow->source))
		return false; /* 4 */
	if (inbound_is_permitted(flow, netns) || inbound_is_of_namespace(flow))
		return false; /* 5 */
	it->addr = flow->destination;
	it->port = flow->destination_port;
	it->protocol = flow->protocol;
	it->source = MALLA_IDENTITY_UNKNOWN;
	if (endpoint->flags & MALLA_ENDPOINT_AMBIGUOUS) {
		deny(it, MALLA_REASON_AMBIGUOUS_ENDPOINT); /* 6 */
		return true;
	}
	asked = (struct policy_question){
		.generation = it->generation,
		.scope = endpoint->scope,
		.source = MALLA_IDENTITY_UNKNOWN,
		.to = endpoint->addr,
		.is_ipv4 = addr_is_ipv4(&flow->destination),
		.port = endpoint->port ? endpoint->port : flow->destination_port,
	};
	policy_ask_from(&asked, &flow->source);
	ruling = ask_policy(it, &asked);
	if (ruling.reason == MALLA_REASON_PASSED)
		return false;
	deny(it, MALLA_REASON_INBOUND_REFUSED);
	if (ruling.reason == MALLA_REASON_IDENTITY_REQUIRED)
		it->reason = ruling.reason; /* 6 */
	return true;
}

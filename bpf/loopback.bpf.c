/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Datagrams between sockets of this node: judges, at the workload that they come to, those that no hook decided on when
 * they were sent. sk_lookup (inbound.bpf.c) does that for other hosts' and for TCP; it cannot tell who of this node sent a
 * datagram, and here the packet still has its socket.
 * Hook: tcx egress on the loopback interface (struct __sk_buff). TCP passes with the first lines.
 * Fails closed for the ports of workloads, open for all others. Refused datagrams are answered with "port unreachable".
 */
#include "hook.h"

#include "config.h"
#include "count.h"
#include "decide.h"
#include "event.h"
#include "rehearse.h"
#include "scratch.h"
#include "source.h"
#include "unreachable.h"

/* Levels below the root of the cgroup tree at which a sender's cgroup may be enrolled. */
#define LOOPBACK_DEPTH 8

/* Is it TCP without a look at more than its first header? */
static __always_inline bool is_plainly_tcp(struct __sk_buff *skb)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = start + ETH_HLEN;

		return (void *)(ip + 1) <= end && ip->protocol == IPPROTO_TCP;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = start + ETH_HLEN;

		return (void *)(ip + 1) <= end && ip->nexthdr == IPPROTO_TCP;
	}
	return true; /* nothing that a workload's port would get */
}

/* The workload in whose cgroup the sender's socket was made; false: none. */
static __always_inline bool workload_of_socket(struct __sk_buff *skb, struct malla_workload *source)
{
	__u64 own = bpf_skb_cgroup_id(skb);

	if (own && workload_of(own, source))
		return true;
	for (int level = LOOPBACK_DEPTH; level > 0; level--) {
		__u64 ancestor = bpf_skb_ancestor_cgroup_id(skb, level);

		if (ancestor && workload_of(ancestor, source))
			return true;
	}
	return false;
}

/* Did connect() or sendmsg() decide on it, for this very workload? Or is it the proxy's or a probe's? Else `source` is who
 * sends it, as far as that is known. */
SUBPROGRAM bool is_decided(struct __sk_buff *skb, struct scratch *scratch, struct malla_workload *source)
{
	const struct malla_connection *record;
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return false;
	record = bpf_sk_storage_get(&malla_connections, sk, 0, 0);
	if (record && record->protocol == IPPROTO_UDP && record->path == MALLA_PATH_DIRECT &&
	    record->direction == MALLA_OUTBOUND && record->destination_port == scratch->packet.destination_port &&
	    record->target_workload == scratch->it.endpoint.workload)
		return true;
	return workload_of_socket(skb, source) && source->flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE);
}

/* Asks policy, for whom no hook has asked it. */
SUBPROGRAM bool is_refused(struct scratch *scratch, const struct malla_workload *source)
{
	struct malla_explanation *it = &scratch->it;
	struct policy_question asked;
	struct ruling ruling;

	it->source = source->identity;
	it->source_workload = source->workload;
	stat_add(MALLA_STAT_DECISIONS);
	if (it->endpoint.flags & MALLA_ENDPOINT_AMBIGUOUS) {
		deny(it, MALLA_REASON_AMBIGUOUS_ENDPOINT);
		return true;
	}
	asked = (struct policy_question){
		.generation = it->generation,
		.scope = it->endpoint.scope,
		.source = it->source,
		.source_workload = it->source_workload,
		.to = it->endpoint.addr,
		.is_ipv4 = addr_is_ipv4(&it->addr),
		.port = it->endpoint.port ? it->endpoint.port : it->port,
	};
	policy_ask_from(&asked, source->workload ? 0 : &scratch->packet.source);
	ruling = ask_policy(it, &asked);
	tell_rehearsed(it);
	if (ruling.reason == MALLA_REASON_PASSED)
		return false;
	deny(it, MALLA_REASON_INBOUND_REFUSED);
	if (ruling.reason == MALLA_REASON_IDENTITY_REQUIRED)
		it->reason = ruling.reason;
	return true;
}

/* A datagram of this node. See inbound_is_refused for the steps, which are the same. */
SUBPROGRAM int judge_datagram(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_now();
	struct malla_workload source = {};
	struct malla_explanation *it;
	struct packet *packet;

	if (!scratch)
		return TC_ACT_SHOT; /* an array's element is always there; the verifier wants to hear it */
	packet = &scratch->packet;
	it = &scratch->it;
	if (packet_read(skb, packet) != PACKET_IP || packet->protocol != IPPROTO_UDP)
		return TC_ACT_UNSPEC;
	if (!endpoint_has_port(packet->destination_port))
		return TC_ACT_UNSPEC;
	__builtin_memset(it, 0, sizeof(*it));
	it->generation = generation_now();
	it->addr = packet->destination;
	it->port = packet->destination_port;
	it->protocol = IPPROTO_UDP;
	it->is_ipv4 = packet->is_ipv4;
	it->seen = MALLA_SEEN_ON_PACKET;
	if (!endpoint_at(&packet->destination, packet->destination_port, &it->endpoint))
		return TC_ACT_UNSPEC;
	if (is_decided(skb, scratch, &source) || !is_refused(scratch, &source))
		return TC_ACT_UNSPEC;
	count_refused(it, MALLA_INBOUND);
	event_refused_packet(it);
	/* What loops back is the answer, then. */
	return unreachable_turn(skb, scratch) ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int malla_loopback(struct __sk_buff *skb)
{
	return is_plainly_tcp(skb) ? TC_ACT_UNSPEC : judge_datagram(skb);
}

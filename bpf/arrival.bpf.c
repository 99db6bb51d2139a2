/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Packets on their way into a network namespace: judges the beginning of each connection to the workload in it, unless
 * it was judged where it came from, and puts the service's address back into answers from its endpoints.
 * Hook: tcx egress on the node's end of the veth pair (struct __sk_buff).
 * Fails closed: what cannot be judged is refused or dropped. Refused TCP is answered with a reset, refused UDP with "port
 * unreachable".
 */
#include "hook.h"

#include "arrive.h"
#include "config.h"
#include "front.h"
#include "listener.h"
#include "scratch.h"
#include "translate.h"
#include "unreachable.h"

SUBPROGRAM int refuse(struct __sk_buff *skb, struct scratch *scratch)
{
	count_refused(&scratch->it, MALLA_INBOUND);
	event_refused_packet(&scratch->it);
	return refuse_to(skb, scratch);
}

/* Does this node's resolver send it? */
static __always_inline bool is_from_resolver(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return false;
	sk = bpf_sk_fullsock(sk);
	return sk && is_marked(sk);
}

/* A datagram of a flow that was allowed. */
static __always_inline int answer(struct __sk_buff *skb, struct malla_flow *flow, const struct glance *glance)
{
	flow_add(&flow->received, glance);
	if (!(flow->flags & MALLA_FLOW_TRANSLATED))
		return TC_ACT_UNSPEC;
	if (flow->connection.path == MALLA_PATH_DNS && !is_from_resolver(skb))
		return TC_ACT_SHOT;
	if (!translate(skb, glance, TRANSLATE_SOURCE, &glance->key.remote, glance->key.remote_port,
		       &flow->connection.original, flow->connection.original_port))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

/* A socket of this node sends it: whose, and was it allowed to? 0: no socket that anybody knows. */
enum sender {
	SENDER_UNKNOWN,
	SENDER_ALLOWED,
	SENDER_REFUSED,
};

SUBPROGRAM enum sender arrive_from_socket(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct malla_flow_key *key = &scratch->glance.key;
	struct malla_connection *record;
	struct malla_workload source = {};
	struct bpf_sock *sk = skb->sk;
	__u64 cgroup;

	if (!sk)
		return SENDER_UNKNOWN;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return SENDER_UNKNOWN;
	record = record_of(sk, bpf_get_socket_cookie(skb));
	if (record && record->direction == MALLA_OUTBOUND && record->protocol == key->protocol &&
	    (record->path == MALLA_PATH_DIRECT || record->path == MALLA_PATH_PASS) && record->source_workload &&
	    record->destination_port == key->local_port && addr_equal(&record->destination, &key->local)) {
		if (arrive_take_over(scratch, skb->ifindex, record))
			return SENDER_ALLOWED;
		arrive_ask(scratch, &source);
		scratch->it.source = record->source;
		scratch->it.source_workload = record->source_workload;
		deny(&scratch->it, MALLA_REASON_ENDPOINT_CHANGED);
		return SENDER_REFUSED;
	}
	cgroup = bpf_skb_cgroup_id(skb);
	if (!workload_of(cgroup, &source))
		return SENDER_UNKNOWN;
	if (source.flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE)) {
		/* By its client's address: no flow, so that malla_veth looks for the socket that the answers are for. */
		if (!addr_is_local(&key->remote)) {
			flow_forget(key, skb->ifindex);
			return SENDER_ALLOWED;
		}
		arrive_ask(scratch, &source);
		arrive_begin(scratch, skb->ifindex, cgroup, MALLA_FLOW_EXEMPT | MALLA_FLOW_UNCOUNTED);
		return SENDER_ALLOWED;
	}
	arrive_decide(scratch, &source);
	if (scratch->it.path == MALLA_PATH_DENY)
		return SENDER_REFUSED;
	arrive_begin(scratch, skb->ifindex, cgroup, 0);
	return SENDER_ALLOWED;
}

/* Is it of one of the daemon's own checks? */
SUBPROGRAM bool is_permitted(struct scratch *scratch)
{
	const struct malla_flow_key *key = &scratch->glance.key;
	struct malla_permit_key permit = {
		.source = key->remote,
		.destination = key->local,
		.source_port = key->remote_port,
		.destination_port = key->local_port,
		.protocol = key->protocol,
		.netns = scratch->interface.netns,
	};

	return bpf_map_lookup_elem(&malla_permits, &permit);
}

/* The beginning of a connection, or a datagram of no flow that was allowed. */
SUBPROGRAM int begin_arriving(struct __sk_buff *skb, struct scratch *scratch)
{
	struct malla_workload nobody = {};
	struct malla_flow *origin;

	if ((skb->mark & MALLA_MARK_MASK) == MALLA_MARK_JUDGED) {
		origin = arrive_origin(scratch);
		if (!origin || arrive_take_over(scratch, skb->ifindex, &origin->connection))
			return TC_ACT_UNSPEC;
		arrive_ask(scratch, &nobody);
		scratch->it.source = origin->connection.source;
		scratch->it.source_workload = origin->connection.source_workload;
		deny(&scratch->it, MALLA_REASON_ENDPOINT_CHANGED);
		return refuse(skb, scratch);
	}
	switch (arrive_from_socket(skb, scratch)) {
	case SENDER_ALLOWED:
		return TC_ACT_UNSPEC;
	case SENDER_REFUSED:
		return refuse(skb, scratch);
	default:
		break;
	}
	if (is_permitted(scratch)) {
		arrive_ask(scratch, &nobody);
		arrive_begin(scratch, skb->ifindex, 0, MALLA_FLOW_EXEMPT | MALLA_FLOW_UNCOUNTED);
		return TC_ACT_UNSPEC;
	}
	arrive_decide(scratch, &nobody);
	if (scratch->it.path == MALLA_PATH_DENY)
		return refuse(skb, scratch);
	arrive_begin(scratch, skb->ifindex, 0, 0);
	return TC_ACT_UNSPEC;
}

/* Who sends a datagram to many; zero: nobody knows. False: the proxy or a probe, who may. */
SUBPROGRAM bool to_many_by(struct __sk_buff *skb, struct scratch *scratch, struct malla_workload *source)
{
	const struct malla_flow_key *key = &scratch->glance.key;
	struct malla_connection *record;
	struct malla_flow *origin;
	struct bpf_sock *sk;

	if ((skb->mark & MALLA_MARK_MASK) == MALLA_MARK_JUDGED) {
		origin = arrive_origin(scratch);
		if (origin) {
			source->identity = origin->connection.source;
			source->workload = origin->connection.source_workload;
		}
		return true;
	}
	sk = skb->sk;
	if (!sk)
		return true;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return true;
	record = bpf_sk_storage_get(&malla_connections, sk, 0, 0);
	if (record && record->direction == MALLA_OUTBOUND && record->protocol == IPPROTO_UDP &&
	    record->destination_port == key->local_port) {
		source->identity = record->source;
		source->workload = record->source_workload;
		return true;
	}
	workload_of(bpf_skb_cgroup_id(skb), source);
	return !(source->flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE));
}

/* A datagram to many (broadcast, multicast), of which the workload behind the interface may be one: judged as one to its
 * own address, each by itself, and dropped in silence. What else is not for the workload, its kernel leaves alone. */
SUBPROGRAM int to_many(struct __sk_buff *skb, struct scratch *scratch)
{
	struct malla_workload source = {};
	struct malla_addr own;
	__u8 first;

	if (scratch->packet.protocol != IPPROTO_UDP || bpf_skb_load_bytes(skb, 0, &first, sizeof(first)) || !(first & 1))
		return TC_ACT_UNSPEC;
	glance_of(&scratch->packet, false, &scratch->glance);
	if (!to_many_by(skb, scratch, &source) || !interface_addr(skb->ifindex, scratch->packet.is_ipv4, &own))
		return TC_ACT_UNSPEC;
	scratch->glance.key.local = own;
	arrive_decide(scratch, &source);
	if (scratch->it.path != MALLA_PATH_DENY)
		return TC_ACT_UNSPEC;
	count_refused(&scratch->it, MALLA_INBOUND);
	event_refused_packet(&scratch->it);
	return TC_ACT_SHOT;
}

/* A datagram of a flow that was allowed some time ago. A function of its own: its stack must not add to that of the
 * calls by which a flow begins. */
SUBPROGRAM int judge_answer(struct __sk_buff *skb, struct scratch *scratch, struct malla_flow *flow)
{
	struct ruling ruling = flow_judge(flow);

	if (ruling.reason == MALLA_REASON_PASSED)
		return answer(skb, flow, &scratch->glance);
	count_cut(&flow->connection, ruling.reason);
	event_cut(&flow->connection, ruling.reason, ruling.rule);
	flow_forget(&scratch->glance.key, skb->ifindex);
	return TC_ACT_SHOT;
}

static __always_inline int on_udp(struct __sk_buff *skb, struct scratch *scratch)
{
	struct malla_flow *flow = flow_at(&scratch->glance.key, skb->ifindex);

	/* A translated flow's answers come from the endpoint: see MALLA_FLOW_BACK. */
	if (!flow || (flow->flags & (MALLA_FLOW_TRANSLATED | MALLA_FLOW_BACK)) == MALLA_FLOW_TRANSLATED) {
		int verdict = begin_arriving(skb, scratch);

		if (verdict != TC_ACT_UNSPEC)
			return verdict;
		flow = flow_at(&scratch->glance.key, skb->ifindex);
		if (flow)
			flow_add(&flow->received, &scratch->glance);
		return TC_ACT_UNSPEC;
	}
	return judge_answer(skb, scratch, flow);
}

/* Every packet that more than the sequence numbers or a fresh flow must tell about. */
SUBPROGRAM int judge_packet(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_now();
	struct packet *packet;
	enum packet_kind kind;

	if (!scratch)
		return TC_ACT_SHOT; /* an array's element is always there; the verifier wants to hear it */
	packet = &scratch->packet;
	kind = packet_read(skb, packet);
	if (kind == PACKET_OTHER || kind == PACKET_TAIL)
		return TC_ACT_UNSPEC;
	interface_read(skb->ifindex, &packet->destination, &scratch->interface);
	if (!scratch->interface.is_enrolled)
		return TC_ACT_UNSPEC;
	if (!scratch->interface.is_own)
		return kind == PACKET_IP ? to_many(skb, scratch) : TC_ACT_UNSPEC;
	glance_of(packet, false, &scratch->glance);
	if (kind == PACKET_UNREADABLE || (packet->protocol == IPPROTO_TCP && packet->is_fragment)) {
		struct malla_workload nobody = {};

		arrive_ask(scratch, &nobody);
		deny(&scratch->it, MALLA_REASON_UNREADABLE_PACKET);
		packet->protocol = 0;
		return refuse(skb, scratch);
	}
	if (packet->protocol == IPPROTO_UDP)
		return on_udp(skb, scratch);
	if (packet->protocol == IPPROTO_TCP && packet_is_opening(packet))
		return begin_arriving(skb, scratch);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int malla_arrival(struct __sk_buff *skb)
{
	struct malla_flow *flow;
	struct glance glance;

	if (glance_is_ordinary_tcp(skb))
		return TC_ACT_UNSPEC;
	if (!glance_read(skb, false, &glance))
		return judge_packet(skb);
	if (glance.key.protocol == IPPROTO_TCP) {
		if (!(glance.flags & (PACKET_SYN | PACKET_FIN | PACKET_RST)))
			return TC_ACT_UNSPEC;
		if ((glance.flags & (PACKET_SYN | PACKET_ACK | PACKET_RST)) == PACKET_SYN)
			return judge_packet(skb);
		flow = flow_at(&glance.key, skb->ifindex);
		if (!flow)
			return TC_ACT_UNSPEC;
		front_leave(&glance.key, skb->ifindex, flow);
		flow_follow_peer(flow, &glance);
		front_leave(&glance.key, skb->ifindex, flow);
		return TC_ACT_UNSPEC;
	}
	flow = flow_at(&glance.key, skb->ifindex);
	if (!flow || !flow_is_fresh(flow) ||
	    (flow->flags & (MALLA_FLOW_TRANSLATED | MALLA_FLOW_BACK)) == MALLA_FLOW_TRANSLATED)
		return judge_packet(skb);
	return answer(skb, flow, &glance);
}

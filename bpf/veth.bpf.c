/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Packets that leave a network namespace: judges each connection of the workload in it, takes those that need the proxy
 * to its listener with source address and original destination unchanged, and translates datagrams to services.
 * Hook: tcx ingress on the node's end of the veth pair (struct __sk_buff).
 * Fails closed: what cannot be judged is refused or dropped. Refused TCP is answered with a reset, refused UDP with "port
 * unreachable".
 */
#include "hook.h"

#include "affinity.h"
#include "arrive.h"
#include "begin.h"
#include "config.h"
#include "count.h"
#include "decide.h"
#include "deliver.h"
#include "event.h"
#include "front.h"
#include "interface.h"
#include "listener.h"
#include "record.h"
#include "recover.h"
#include "rehearse.h"
#include "reset.h"
#include "scratch.h"
#include "translate.h"
#include "unreachable.h"

/* Decides on a packet as the beginning of a connection. */
SUBPROGRAM void decide_on(struct __sk_buff *skb, struct scratch *scratch, const struct malla_config *config)
{
	const struct packet *packet = &scratch->packet;
	struct malla_explanation *it = &scratch->it;

	__builtin_memset(it, 0, sizeof(*it));
	it->addr = packet->destination;
	it->port = packet->destination_port;
	it->protocol = packet->protocol;
	it->is_ipv4 = packet->is_ipv4;
	it->ipv6_only = !packet->is_ipv4;
	it->seen = MALLA_SEEN_ON_PACKET;
	it->generation = generation_now();
	/* All datagrams of one socket to one endpoint: Fibonacci hashing of what tells it from others. */
	it->random[0] = (packet->source.word[3] ^ packet->source_port << 16 ^ packet->destination.word[3]) * 0x9e3779b1u;
	it->random[1] = it->random[0] * 0x85ebca6bu;
	/* What stands for the socket is the same for all packets of a connection. */
	it->cookie = ((__u64)packet->source.word[3] << 32 | packet->source_port << 16) ^ packet->destination.word[3];
	stat_add(MALLA_STAT_DECISIONS);
	decide(it, scratch->interface.is_enrolled ? &scratch->interface.source : 0, &packet->source, config, listens_for_packets, skb);
}

static __always_inline void tell_refusal(const struct malla_explanation *it)
{
	count_denied(it);
	event_refused_packet(it);
}

/* Drops a packet that is not judged at all, for this reason. */
SUBPROGRAM int drop(struct scratch *scratch, __u32 reason)
{
	struct malla_explanation *it = &scratch->it;

	__builtin_memset(it, 0, sizeof(*it));
	it->addr = scratch->packet.destination;
	it->port = scratch->packet.destination_port;
	it->protocol = scratch->packet.protocol;
	it->source = scratch->interface.source.identity;
	it->source_workload = scratch->interface.source.workload;
	deny(it, reason);
	tell_refusal(it);
	return TC_ACT_SHOT;
}

/* Leaves the record for the socket that is about to be accepted: the last packet of the handshake is on its way, so
 * nobody can wash it away with half-open connections. False: there is no room for it. */
static __always_inline bool publish(struct scratch *scratch)
{
	struct malla_tuple *tuple = &scratch->tuple;

	tuple->source = scratch->packet.source;
	tuple->destination = scratch->packet.destination;
	tuple->source_port = scratch->packet.source_port;
	tuple->destination_port = scratch->packet.destination_port;
	tuple->reserved = 0;
	tuple->netns = scratch->interface.netns;
	return !bpf_map_update_elem(&malla_handoffs, tuple, &scratch->record, BPF_ANY);
}

/* A frame to another port of the same bridge carries that port's address: with this interface's own, the bridge
 * passes it up to the node. */
static __always_inline void address_to_node(struct __sk_buff *skb, const struct interface *interface)
{
	if (!interface->is_bridged)
		return;
	bpf_skb_store_bytes(skb, 0, interface->mac, sizeof(interface->mac), 0);
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
}

/* Lets a packet go on whose sender may. */
static __always_inline int let_go(struct __sk_buff *skb)
{
	skb->mark = MALLA_MARK_JUDGED;
	return TC_ACT_UNSPEC;
}

/* A packet of a flow that may go on. */
SUBPROGRAM int depart(struct __sk_buff *skb, struct malla_flow *flow, const struct glance *glance)
{
	if (glance->key.protocol == IPPROTO_TCP) {
		flow_follow(flow, glance);
		return TC_ACT_UNSPEC;
	}
	flow_add(&flow->sent, glance);
	if (flow->flags & MALLA_FLOW_TRANSLATED &&
	    !translate(skb, glance, TRANSLATE_DESTINATION, &glance->key.remote, glance->key.remote_port,
		       &flow->connection.destination, flow->connection.destination_port))
		return TC_ACT_SHOT;
	return let_go(skb);
}

/* Cuts a flow that may not go on: the workload learns at once. Its peer learns from the workload's kernel. */
SUBPROGRAM int cut(struct __sk_buff *skb, struct scratch *scratch, struct malla_flow *flow,
			       struct ruling ruling)
{
	count_cut(&flow->connection, ruling.reason);
	event_cut(&flow->connection, ruling.reason, ruling.rule);
	flow_close(flow);
	flow_forget(&scratch->glance.key, skb->ifindex);
	return refuse_from(skb, scratch);
}

/* Begins what `scratch->it` allows to go directly, and lets this packet of it go. */
SUBPROGRAM int go_directly(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct malla_explanation *it = &scratch->it;
	const struct glance *glance = &scratch->glance;
	struct malla_flow *flow;
	__u32 flags = 0;

	begin_record(skb->ifindex, scratch, &scratch->record);
	if (scratch->interface.is_hooked)
		flags |= MALLA_FLOW_UNCOUNTED;
	if (it->path == MALLA_PATH_DIRECT && it->service) {
		if (scratch->packet.is_fragment)
			return drop(scratch, MALLA_REASON_UNREADABLE_PACKET);
		scratch->back = glance->key;
		scratch->back.remote = it->endpoint.addr;
		scratch->back.remote_port = it->endpoint.port;
		flags |= MALLA_FLOW_TRANSLATED;
		begin(scratch, &scratch->back, skb->ifindex, flags | MALLA_FLOW_BACK);
		address_to_node(skb, &scratch->interface);
	}
	begin(scratch, &glance->key, skb->ifindex, flags);
	flow = flow_at(&glance->key, skb->ifindex);
	if (!flow)
		return flags & MALLA_FLOW_TRANSLATED ? TC_ACT_SHOT : let_go(skb);
	depart(skb, flow, glance);
	return let_go(skb);
}

SUBPROGRAM int refuse(struct __sk_buff *skb, struct scratch *scratch)
{
	tell_refusal(&scratch->it);
	return refuse_from(skb, scratch);
}

/* The same in the middle of a connection that came in to the workload. */
SUBPROGRAM int recover_inbound(struct __sk_buff *skb, struct scratch *scratch)
{
	struct malla_flow *origin = arrive_origin(scratch);
	const struct malla_flow_key *key = &scratch->glance.key;
	struct malla_workload nobody = {};

	if (origin && arrive_take_over(scratch, skb->ifindex, &origin->connection))
		return TC_ACT_UNSPEC;
	if (addr_is_local(&key->remote) && connection_state(skb, &scratch->packet)) {
		/* A socket of this node, which was judged when it connected. */
		arrive_ask(scratch, &nobody);
		arrive_begin(scratch, skb->ifindex, 0, MALLA_FLOW_EXEMPT | MALLA_FLOW_UNCOUNTED);
		return TC_ACT_UNSPEC;
	}
	/* A workload that is judged where its packets come from, and has not said anything yet. */
	if (endpoint_at(&key->remote, 0, &scratch->endpoint) && !(scratch->endpoint.flags & MALLA_ENDPOINT_REMOTE))
		return TC_ACT_UNSPEC;
	arrive_decide(scratch, &nobody);
	if (scratch->it.path == MALLA_PATH_DENY)
		return refuse(skb, scratch);
	arrive_begin(scratch, skb->ifindex, 0, 0);
	return TC_ACT_UNSPEC;
}

/* A packet in the middle of a connection that is not remembered. To a virtual address nobody would ever answer. */
static __always_inline int recover(struct __sk_buff *skb, struct scratch *scratch, const struct malla_config *config)
{
	const struct packet *packet = &scratch->packet;

	if (packet->flags & PACKET_RST)
		return TC_ACT_UNSPEC;
	if (service_at(IPPROTO_TCP, &packet->destination, 0, &scratch->service))
		return reset_answer(skb, packet);
	if (recover_is_inbound(skb, scratch))
		return recover_inbound(skb, scratch);
	decide_on(skb, scratch, config);
	if (scratch->it.path == MALLA_PATH_DENY)
		return refuse(skb, scratch);
	/* Of a connection that the proxy has no more. */
	if (scratch->it.path == MALLA_PATH_PROXY)
		return reset_answer(skb, packet);
	return go_directly(skb, scratch);
}

/* The proxy's or the resolver's, of which the first packet and the last of the handshake are judged. */
SUBPROGRAM int go_to_node(struct __sk_buff *skb, struct scratch *scratch, bool opening,
				      const struct malla_config *config)
{
	const struct packet *packet = &scratch->packet;

	if (scratch->it.path == MALLA_PATH_PROXY && !opening) {
		begin_record(skb->ifindex, scratch, &scratch->record);
		if (!publish(scratch)) {
			deny(&scratch->it, MALLA_REASON_KERNEL_STATE);
			return refuse(skb, scratch);
		}
		affinity_keep(&scratch->it);
	}
	flow_forget(&scratch->glance.key, skb->ifindex);
	address_to_node(skb, &scratch->interface);
	if (!opening)
		return deliver_to_connection(skb, packet);
	if (scratch->it.path == MALLA_PATH_DNS)
		return deliver_to_resolver(skb, packet, config);
	return deliver_to_listener(skb, packet);
}

static __always_inline int on_tcp(struct __sk_buff *skb, struct scratch *scratch, const struct malla_config *config)
{
	const struct packet *packet = &scratch->packet;
	bool opening = packet_is_opening(packet);
	struct malla_flow *flow = flow_at(&scratch->glance.key, skb->ifindex);
	__u32 state;

	if (flow)
		front_leave(&scratch->glance.key, skb->ifindex, flow);
	if (flow && !opening) {
		struct ruling ruling = flow_judge(flow);

		if (ruling.reason != MALLA_REASON_PASSED)
			return cut(skb, scratch, flow, ruling);
		if (!(flow->flags & MALLA_FLOW_OPEN) && addr_is_local(&packet->destination)) {
			/* The node's own socket takes it when it is accepted; without, nobody counts at that end. */
			scratch->record = flow->connection;
			publish(scratch);
		}
		return depart(skb, flow, &scratch->glance);
	}
	/* A service of the node itself: the way to its socket needs no help. */
	state = addr_is_local(&packet->destination) ? 0 : connection_state(skb, packet);
	if (!state && !opening)
		return recover(skb, scratch, config);
	if (state && (opening || state != BPF_TCP_NEW_SYN_RECV || packet->flags & PACKET_RST)) {
		address_to_node(skb, &scratch->interface);
		return deliver_to_connection(skb, packet);
	}
	decide_on(skb, scratch, config);
	/* The packet that ends a handshake is decided on once more. */
	if (opening)
		tell_rehearsed(&scratch->it);
	switch (scratch->it.path) {
	case MALLA_PATH_DENY:
		return refuse(skb, scratch);
	case MALLA_PATH_PROXY:
	case MALLA_PATH_DNS:
		return go_to_node(skb, scratch, opening, config);
	default:
		return opening ? go_directly(skb, scratch) : reset_answer(skb, packet);
	}
}

/* A question to a DNS server, which the node's resolver answers in its place. */
static __always_inline int ask_resolver(struct __sk_buff *skb, struct scratch *scratch, const struct malla_config *config)
{
	begin_record(skb->ifindex, scratch, &scratch->record);
	scratch->back = scratch->glance.key;
	scratch->back.remote = resolver_addr(scratch->packet.is_ipv4);
	scratch->back.remote_port = config->dns_port;
	begin(scratch, &scratch->back, skb->ifindex, MALLA_FLOW_TRANSLATED | MALLA_FLOW_BACK | MALLA_FLOW_UNCOUNTED);
	address_to_node(skb, &scratch->interface);
	return deliver_to_resolver(skb, &scratch->packet, config);
}

/* An answer goes back where the question came from, as long as that was allowed. Everything else is decided anew. */
static __always_inline int on_udp(struct __sk_buff *skb, struct scratch *scratch, const struct malla_config *config)
{
	struct malla_flow *flow = flow_at(&scratch->glance.key, skb->ifindex);

	if (flow && flow->connection.direction == MALLA_INBOUND) {
		struct ruling ruling = flow_judge(flow);

		return ruling.reason == MALLA_REASON_PASSED ? depart(skb, flow, &scratch->glance)
							   : cut(skb, scratch, flow, ruling);
	}
	decide_on(skb, scratch, config);
	tell_rehearsed(&scratch->it);
	switch (scratch->it.path) {
	case MALLA_PATH_DENY:
		return refuse(skb, scratch);
	case MALLA_PATH_DNS:
		return ask_resolver(skb, scratch, config);
	default:
		affinity_keep(&scratch->it);
		return go_directly(skb, scratch);
	}
}

/* Every packet that is not of a flow that was judged a moment ago. */
SUBPROGRAM int judge_packet(struct __sk_buff *skb)
{
	const struct malla_config *config = config_now();
	struct scratch *scratch = scratch_now();
	struct packet *packet;
	enum packet_kind kind;

	if (!config || !scratch)
		return TC_ACT_SHOT; /* an array's element is always there; the verifier wants to hear it */
	packet = &scratch->packet;
	kind = packet_read(skb, packet);
	if (kind == PACKET_OTHER)
		return TC_ACT_UNSPEC;
	interface_read(skb->ifindex, &packet->source, &scratch->interface);
	if (kind == PACKET_UNREADABLE || (packet->protocol == IPPROTO_TCP && packet->is_fragment))
		return drop(scratch, MALLA_REASON_UNREADABLE_PACKET);
	if (!scratch->interface.is_own && !addr_is_link_local(&packet->source))
		return drop(scratch, MALLA_REASON_SPOOFED_SOURCE);
	if (kind == PACKET_TAIL)
		return TC_ACT_UNSPEC;
	glance_of(packet, true, &scratch->glance);
	if (packet->protocol == IPPROTO_TCP)
		return on_tcp(skb, scratch, config);
	if (packet->protocol == IPPROTO_UDP)
		return on_udp(skb, scratch, config);
	return TC_ACT_UNSPEC;
}

/* Judges an ordinary flow again whose decision is over. False: it takes the long way, which tells why. */
SUBPROGRAM bool renew(__u32 interface, struct malla_flow *flow, const struct glance *glance)
{
	struct scratch *scratch = scratch_now();

	if (!scratch || !flow_is_ordinary(flow))
		return false;
	interface_read(interface, &glance->key.local, &scratch->interface);
	return scratch->interface.is_enrolled && scratch->interface.is_own &&
	       flow_judge(flow).reason == MALLA_REASON_PASSED;
}

/* A packet in the middle of a TCP connection, as nearly every one is. False: more than that. */
SUBPROGRAM bool go_on(__u32 interface, struct malla_flow *flow, const struct glance *glance)
{
	if (!glance_is_middle(glance))
		return false;
	front_leave(&glance->key, interface, flow);
	if ((!flow_is_fresh(flow) && !renew(interface, flow, glance)) || !flow_follow_ordinary(flow, glance))
		return false;
	front_stand(&glance->key, interface, flow);
	return true;
}

SEC("tc")
int malla_veth(struct __sk_buff *skb)
{
	struct glance glance;
	struct malla_flow *flow;

	if (!glance_read(skb, true, &glance))
		return judge_packet(skb);
	if (front_follow(&glance, skb->ifindex))
		return TC_ACT_UNSPEC;
	flow = flow_at(&glance.key, skb->ifindex);
	if (flow && glance.key.protocol == IPPROTO_TCP && go_on(skb->ifindex, flow, &glance))
		return TC_ACT_UNSPEC;
	if (!flow || !flow_is_fresh(flow) || flow->flags & MALLA_FLOW_BACK)
		return judge_packet(skb);
	if (glance.key.protocol == IPPROTO_TCP)
		front_leave(&glance.key, skb->ifindex, flow);
	if (glance.key.protocol == IPPROTO_TCP &&
	    (!(flow->flags & MALLA_FLOW_OPEN) || (glance.flags & (PACKET_SYN | PACKET_ACK)) == PACKET_SYN))
		return judge_packet(skb);
	return depart(skb, flow, &glance);
}

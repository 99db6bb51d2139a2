/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Packets that leave a network namespace: judges each connection of the workload in it, and takes those that need
 * the proxy to its listener, source address and original destination unchanged.
 * Hook: tcx ingress (clsact where there is none) on the node's end of the veth pair (struct __sk_buff).
 * Fails closed: what cannot be judged is refused or dropped. Refused TCP is answered with a reset.
 */
#include "hook.h"

#include "config.h"
#include "count.h"
#include "decide.h"
#include "deliver.h"
#include "event.h"
#include "interface.h"
#include "listener.h"
#include "record.h"
#include "reset.h"
#include "scratch.h"

static __always_inline void judge(const struct packet *packet, const struct malla_workload *source,
				  const struct malla_config *config, struct malla_explanation *it)
{
	__builtin_memset(it, 0, sizeof(*it));
	it->addr = packet->destination;
	it->port = packet->destination_port;
	it->protocol = packet->protocol;
	it->is_ipv4 = packet->is_ipv4;
	it->seen = MALLA_SEEN_ON_PACKET;
	it->generation = generation_now();
	stat_add(MALLA_STAT_DECISIONS);
	decide(it, source, config, listens_for_packets, 0);
}

static __always_inline void tell_refusal(const struct malla_explanation *it)
{
	count_denied(it);
	event_refused_packet(it);
}

/* Drops a packet that is not judged at all, for this reason. */
static __always_inline int drop(struct scratch *scratch, __u32 reason)
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
static __always_inline bool publish(__u32 index, struct scratch *scratch)
{
	struct malla_connection *record = &scratch->record;
	struct malla_tuple *tuple = &scratch->tuple;

	tuple->source = scratch->packet.source;
	tuple->destination = scratch->packet.destination;
	tuple->source_port = scratch->packet.source_port;
	tuple->destination_port = scratch->packet.destination_port;
	tuple->reserved = 0;
	tuple->netns = scratch->interface.netns;
	__builtin_memset(record, 0, sizeof(*record));
	record_write(record, &scratch->it);
	record->destination = scratch->it.addr;
	record->destination_port = scratch->it.port;
	record->flags = MALLA_CONNECTION_BY_PACKET;
	record->cgroup = index;
	record->netns = scratch->interface.netns;
	return !bpf_map_update_elem(&malla_handoffs, tuple, record, BPF_ANY);
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

/* A packet of no connection that this node has, and that opens none. To a virtual address nobody would ever answer. */
static __always_inline int stray(struct __sk_buff *skb, const struct packet *packet)
{
	if (service_at(generation_now(), IPPROTO_TCP, &packet->destination, 0))
		return reset_answer(skb, packet);
	return TC_ACT_UNSPEC;
}

static __always_inline int on_tcp(struct __sk_buff *skb, struct scratch *scratch, const struct malla_config *config)
{
	const struct interface *interface = &scratch->interface;
	const struct packet *packet = &scratch->packet;
	struct malla_explanation *it = &scratch->it;
	bool opening = packet_is_opening(packet);
	__u32 state = connection_state(skb, packet);

	if (state && addr_is_local(&packet->destination))
		return TC_ACT_UNSPEC; /* a service of the node: the way there needs no help */
	if (!state && !opening)
		return stray(skb, packet);
	if (state && (opening || state != BPF_TCP_NEW_SYN_RECV || packet->flags & PACKET_RST)) {
		address_to_node(skb, interface);
		return deliver_to_connection(skb, packet);
	}

	judge(packet, interface->is_enrolled ? &interface->source : 0, config, it);
	if (it->path == MALLA_PATH_PROXY && state && !publish(skb->ifindex, scratch))
		deny(it, MALLA_REASON_KERNEL_STATE);
	if (it->path == MALLA_PATH_DENY) {
		tell_refusal(it);
		return reset_answer(skb, packet);
	}
	if (it->path != MALLA_PATH_PROXY)
		return TC_ACT_UNSPEC;
	address_to_node(skb, interface);
	return state ? deliver_to_connection(skb, packet) : deliver_to_listener(skb, packet);
}

static __always_inline int on_udp(struct scratch *scratch, const struct malla_config *config)
{
	struct malla_explanation *it = &scratch->it;

	judge(&scratch->packet, scratch->interface.is_enrolled ? &scratch->interface.source : 0, config, it);
	if (it->path != MALLA_PATH_DENY)
		return TC_ACT_UNSPEC;
	tell_refusal(it);
	return TC_ACT_SHOT;
}

SEC("tc")
int malla_veth(struct __sk_buff *skb)
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
	if (!scratch->interface.is_source_known && !addr_is_link_local(&packet->source))
		return drop(scratch, MALLA_REASON_SPOOFED_SOURCE);
	if (kind == PACKET_TAIL)
		return TC_ACT_UNSPEC;
	if (packet->protocol == IPPROTO_TCP)
		return on_tcp(skb, scratch, config);
	if (packet->protocol == IPPROTO_UDP)
		return on_udp(scratch, config);
	return TC_ACT_UNSPEC;
}

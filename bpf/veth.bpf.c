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
static __always_inline int drop(const struct packet *packet, const struct interface *interface, __u32 reason)
{
	struct malla_explanation it = {
		.addr = packet->destination,
		.port = packet->destination_port,
		.protocol = packet->protocol,
		.source = interface->source.identity,
		.source_workload = interface->source.workload,
	};

	deny(&it, reason);
	tell_refusal(&it);
	return TC_ACT_SHOT;
}

/* Leaves the record for the socket that is about to be accepted: the last packet of the handshake is on its way, so
 * nobody can wash it away with half-open connections. False: there is no room for it. */
static __always_inline bool publish(__u32 index, const struct packet *packet, const struct interface *interface,
				    const struct malla_explanation *it)
{
	struct malla_connection record = {};
	struct malla_tuple tuple = {
		.source = packet->source,
		.destination = packet->destination,
		.source_port = packet->source_port,
		.destination_port = packet->destination_port,
		.netns = interface->netns,
	};

	record_write(&record, it);
	record.destination = it->addr;
	record.destination_port = it->port;
	record.flags = MALLA_CONNECTION_BY_PACKET;
	record.cgroup = index;
	record.netns = interface->netns;
	return !bpf_map_update_elem(&malla_handoffs, &tuple, &record, BPF_ANY);
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

static __always_inline int on_tcp(struct __sk_buff *skb, const struct packet *packet,
				  const struct interface *interface, const struct malla_config *config)
{
	bool opening = packet_is_opening(packet);
	__u32 state = connection_state(skb, packet);
	struct malla_explanation it;

	if (state && addr_is_local(&packet->destination))
		return TC_ACT_UNSPEC; /* a service of the node: the way there needs no help */
	if (!state && !opening)
		return stray(skb, packet);
	if (state && (opening || state != BPF_TCP_NEW_SYN_RECV || packet->flags & PACKET_RST)) {
		address_to_node(skb, interface);
		return deliver_to_connection(skb, packet);
	}

	judge(packet, interface->is_enrolled ? &interface->source : 0, config, &it);
	if (it.path == MALLA_PATH_PROXY && state && !publish(skb->ifindex, packet, interface, &it))
		deny(&it, MALLA_REASON_KERNEL_STATE);
	if (it.path == MALLA_PATH_DENY) {
		tell_refusal(&it);
		return reset_answer(skb, packet);
	}
	if (it.path != MALLA_PATH_PROXY)
		return TC_ACT_UNSPEC;
	address_to_node(skb, interface);
	return state ? deliver_to_connection(skb, packet) : deliver_to_listener(skb, packet);
}

static __always_inline int on_udp(const struct packet *packet, const struct interface *interface,
				  const struct malla_config *config)
{
	struct malla_explanation it;

	judge(packet, interface->is_enrolled ? &interface->source : 0, config, &it);
	if (it.path != MALLA_PATH_DENY)
		return TC_ACT_UNSPEC;
	tell_refusal(&it);
	return TC_ACT_SHOT;
}

SEC("tc")
int malla_veth(struct __sk_buff *skb)
{
	const struct malla_config *config = config_now();
	struct interface interface;
	enum packet_kind kind;
	struct packet packet;

	if (!config)
		return TC_ACT_SHOT; /* an array's element is always there; the verifier wants to hear it */
	kind = packet_read(skb, &packet);
	if (kind == PACKET_OTHER)
		return TC_ACT_UNSPEC;
	interface_read(skb->ifindex, &packet.source, &interface);
	if (kind == PACKET_UNREADABLE || (packet.protocol == IPPROTO_TCP && packet.is_fragment))
		return drop(&packet, &interface, MALLA_REASON_UNREADABLE_PACKET);
	if (!interface.is_source_known && !addr_is_link_local(&packet.source))
		return drop(&packet, &interface, MALLA_REASON_SPOOFED_SOURCE);
	if (kind == PACKET_TAIL)
		return TC_ACT_UNSPEC;
	if (packet.protocol == IPPROTO_TCP)
		return on_tcp(skb, &packet, &interface, config);
	if (packet.protocol == IPPROTO_UDP)
		return on_udp(&packet, &interface, config);
	return TC_ACT_UNSPEC;
}

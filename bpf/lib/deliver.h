/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Gives a packet that is on its way to somebody else to a socket of this node. The mark makes the route lookup end
 * here; the socket takes it whatever its own address, because it is transparent.
 */
#pragma once
#include "listener.h"
#include "packet.h"
#include <linux/pkt_cls.h>

/* The packet's tuple, for socket lookups. Answers its length, which tells the kernel the family. */
static __always_inline __u32 packet_tuple(const struct packet *packet, struct bpf_sock_tuple *tuple)
{
	__builtin_memset(tuple, 0, sizeof(*tuple));
	if (packet->is_ipv4) {
		tuple->ipv4.saddr = packet->source.word[3];
		tuple->ipv4.daddr = packet->destination.word[3];
		tuple->ipv4.sport = bpf_htons(packet->source_port);
		tuple->ipv4.dport = bpf_htons(packet->destination_port);
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, &packet->source, sizeof(packet->source));
	__builtin_memcpy(tuple->ipv6.daddr, &packet->destination, sizeof(packet->destination));
	tuple->ipv6.sport = bpf_htons(packet->source_port);
	tuple->ipv6.dport = bpf_htons(packet->destination_port);
	return sizeof(tuple->ipv6);
}

/* The state of this node's socket for the packet's connection; 0: there is none. A listener is no connection. */
static __always_inline __u32 connection_state(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock_tuple tuple;
	__u32 length = packet_tuple(packet, &tuple), state;
	struct bpf_sock *sk = bpf_skc_lookup_tcp(skb, &tuple, length, BPF_F_CURRENT_NETNS, 0);

	if (!sk)
		return 0;
	state = sk->state;
	bpf_sk_release(sk);
	return state == BPF_TCP_LISTEN ? 0 : state;
}

static __always_inline int deliver(struct __sk_buff *skb, struct bpf_sock *sk)
{
	if (bpf_sk_assign(skb, sk, 0))
		return TC_ACT_SHOT;
	skb->mark = MALLA_MARK;
	return TC_ACT_OK;
}

/* To the socket of the packet's own connection. */
static __always_inline int deliver_to_connection(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock_tuple tuple;
	__u32 length = packet_tuple(packet, &tuple);
	struct bpf_sock *sk = bpf_skc_lookup_tcp(skb, &tuple, length, BPF_F_CURRENT_NETNS, 0);
	int verdict;

	if (!sk)
		return TC_ACT_SHOT;
	verdict = deliver(skb, sk);
	bpf_sk_release(sk);
	return verdict;
}

/* To the proxy's listener, to open a connection. */
static __always_inline int deliver_to_listener(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 slot = packet->is_ipv4 ? MALLA_LISTENER_IPV4 : MALLA_LISTENER_IPV6;
	struct bpf_sock *sk = bpf_map_lookup_elem(&malla_listeners, &slot);
	int verdict;

	if (!sk)
		return TC_ACT_SHOT;
	verdict = deliver(skb, sk);
	bpf_sk_release(sk);
	return verdict;
}

/* To the resolver: a datagram, or to open a connection. */
static __always_inline int deliver_to_resolver(struct __sk_buff *skb, const struct packet *packet,
					       const struct malla_config *config)
{
	struct bpf_sock *sk = resolver_for_packets(skb, packet->is_ipv4, packet->protocol, config);
	int verdict;

	if (!sk)
		return TC_ACT_SHOT;
	verdict = deliver(skb, sk);
	bpf_sk_release(sk);
	return verdict;
}

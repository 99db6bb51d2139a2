/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Answers a TCP packet with a reset, so that its sender learns at once that nobody will. */
#pragma once
#include "packet.h"
#include <linux/pkt_cls.h>

struct reset_pseudo {
	struct malla_addr source;
	struct malla_addr destination;
	__u32 length;
	__u32 protocol;
};

static __always_inline __u16 reset_fold(__s64 sum)
{
	__u32 folded = (__u32)sum;

	folded = (folded & 0xffff) + (folded >> 16);
	folded = (folded & 0xffff) + (folded >> 16);
	return ~folded;
}

/* The answer's TCP header. IPv4 addresses may stand in their v4-mapped form: ::ffff: adds 0xffff to the sum, which
 * is 0 there, so the pseudo header's sum is the same for both families. */
static __always_inline void reset_tcp(const struct packet *packet, struct tcphdr *tcp)
{
	struct reset_pseudo pseudo = {
		.source = packet->destination,
		.destination = packet->source,
		.length = bpf_htonl(sizeof(*tcp)),
		.protocol = bpf_htonl(IPPROTO_TCP),
	};
	__s64 sum;

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = bpf_htons(packet->destination_port);
	tcp->dest = bpf_htons(packet->source_port);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	if (packet->flags & PACKET_ACK) {
		tcp->seq = bpf_htonl(packet->acknowledged);
	} else {
		tcp->ack = 1;
		tcp->ack_seq = bpf_htonl(packet->sequence + 1); /* the SYN takes one number */
	}
	sum = bpf_csum_diff(0, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	sum = bpf_csum_diff(0, 0, (__be32 *)tcp, sizeof(*tcp), sum);
	tcp->check = reset_fold(sum);
}

static __always_inline int reset_store_ipv4(struct __sk_buff *skb, const struct packet *packet)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(sizeof(ip) + sizeof(struct tcphdr)),
		.frag_off = bpf_htons(0x4000),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = packet->destination.word[3],
		.daddr = packet->source.word[3],
	};

	ip.check = reset_fold(bpf_csum_diff(0, 0, (__be32 *)&ip, sizeof(ip), 0));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

static __always_inline int reset_store_ipv6(struct __sk_buff *skb, const struct packet *packet)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = bpf_htons(sizeof(struct tcphdr)),
		.nexthdr = IPPROTO_TCP,
		.hop_limit = 64,
	};

	__builtin_memcpy(&ip.saddr, &packet->destination, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, &packet->source, sizeof(ip.daddr));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

/* Makes the packet its own answer. False: it cannot be answered. */
SUBPROGRAM bool reset_turn(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 network = packet->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u8 mac[2 * ETH_ALEN];
	struct tcphdr tcp;

	if (packet->flags & PACKET_RST)
		return false;
	/* The destination's address comes first: storing them the other way round swaps them. */
	if (bpf_skb_load_bytes(skb, 0, mac + ETH_ALEN, ETH_ALEN) || bpf_skb_load_bytes(skb, ETH_ALEN, mac, ETH_ALEN))
		return false;
	reset_tcp(packet, &tcp);
	if (bpf_skb_change_tail(skb, ETH_HLEN + network + sizeof(tcp), 0) || bpf_skb_store_bytes(skb, 0, mac, sizeof(mac), 0))
		return false;
	if (packet->is_ipv4 ? reset_store_ipv4(skb, packet) : reset_store_ipv6(skb, packet))
		return false;
	if (bpf_skb_store_bytes(skb, ETH_HLEN + network, &tcp, sizeof(tcp), 0))
		return false;
	return true;
}

/* Answers a packet from the namespace behind this interface. What cannot be answered is dropped. */
static __always_inline int reset_answer(struct __sk_buff *skb, const struct packet *packet)
{
	return reset_turn(skb, packet) ? bpf_redirect(skb->ifindex, 0) : TC_ACT_SHOT;
}

/* Answers a packet to the namespace behind this interface, as if it had got there and were answered from there. */
static __always_inline int reset_answer_in(struct __sk_buff *skb, const struct packet *packet)
{
	return reset_turn(skb, packet) ? bpf_redirect(skb->ifindex, BPF_F_INGRESS) : TC_ACT_SHOT;
}

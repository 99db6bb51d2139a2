/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Answers a UDP datagram with "port unreachable", so that its sender learns at once that nobody will: the next call on a
 * connected socket gives ECONNREFUSED.
 */
#pragma once
#include "reset.h"
#include "scratch.h"

/* "Destination unreachable, port unreachable": the kernel's headers for ICMP take those of the C library. */
#define UNREACHABLE_TYPE_IPV4 3
#define UNREACHABLE_PORT_IPV4 3
#define UNREACHABLE_TYPE_IPV6 1
#define UNREACHABLE_PORT_IPV6 4

/* Ends the message of ICMP with its checksum. `sum` is that of the pseudo header; 0 for IPv4, which has none. */
static __always_inline void unreachable_sum(struct unreachable *message, __u32 quoted, __s64 sum)
{
	sum = bpf_csum_diff(0, 0, (__be32 *)message, sizeof(*message) - sizeof(message->quoted) + quoted, sum);
	message->checksum = reset_fold(sum);
}

static __always_inline bool unreachable_ipv4(struct __sk_buff *skb, const struct packet *packet,
					     struct unreachable *message)
{
	const __u32 quoted = sizeof(struct iphdr) + sizeof(struct udphdr);
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(sizeof(ip) + 8 + quoted),
		.ttl = 64,
		.protocol = IPPROTO_ICMP,
		.saddr = packet->destination.word[3],
		.daddr = packet->source.word[3],
	};

	if (bpf_skb_load_bytes(skb, ETH_HLEN, message->quoted, quoted))
		return false;
	message->type = UNREACHABLE_TYPE_IPV4;
	message->code = UNREACHABLE_PORT_IPV4;
	unreachable_sum(message, quoted, 0);
	ip.check = reset_fold(bpf_csum_diff(0, 0, (__be32 *)&ip, sizeof(ip), 0));
	return !bpf_skb_change_tail(skb, ETH_HLEN + sizeof(ip) + 8 + quoted, 0) &&
	       !bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0) &&
	       !bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(ip), message, 8 + quoted, 0);
}

static __always_inline bool unreachable_ipv6(struct __sk_buff *skb, const struct packet *packet,
					     struct unreachable *message)
{
	const __u32 quoted = sizeof(struct ipv6hdr) + sizeof(struct udphdr);
	struct reset_pseudo pseudo = {
		.source = packet->destination,
		.destination = packet->source,
		.length = bpf_htonl(8 + quoted),
		.protocol = bpf_htonl(IPPROTO_ICMPV6),
	};
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = bpf_htons(8 + quoted),
		.nexthdr = IPPROTO_ICMPV6,
		.hop_limit = 64,
	};

	if (bpf_skb_load_bytes(skb, ETH_HLEN, message->quoted, quoted))
		return false;
	__builtin_memcpy(&ip.saddr, &packet->destination, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, &packet->source, sizeof(ip.daddr));
	message->type = UNREACHABLE_TYPE_IPV6;
	message->code = UNREACHABLE_PORT_IPV6;
	unreachable_sum(message, quoted, bpf_csum_diff(0, 0, (__be32 *)&pseudo, sizeof(pseudo), 0));
	return !bpf_skb_change_tail(skb, ETH_HLEN + sizeof(ip) + 8 + quoted, 0) &&
	       !bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0) &&
	       !bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(ip), message, 8 + quoted, 0);
}

/* Is it to one receiver, and without options? Nothing else is answered (RFC 1122, 3.2.2). */
static __always_inline bool unreachable_may_answer(const struct packet *packet)
{
	__u32 network = packet->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return packet->protocol == IPPROTO_UDP && packet->transport == ETH_HLEN + network &&
	       !addr_is_for_many(&packet->destination);
}

/* Makes the datagram its own answer. False: it cannot be answered. */
SUBPROGRAM bool unreachable_turn(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct packet *packet = &scratch->packet;
	struct unreachable *message = &scratch->unreachable;
	__u8 mac[2 * ETH_ALEN];

	if (!unreachable_may_answer(packet))
		return false;
	/* The destination's address comes first: storing them the other way round swaps them. */
	if (bpf_skb_load_bytes(skb, 0, mac + ETH_ALEN, ETH_ALEN) || bpf_skb_load_bytes(skb, ETH_ALEN, mac, ETH_ALEN))
		return false;
	__builtin_memset(message, 0, sizeof(*message));
	if (!(packet->is_ipv4 ? unreachable_ipv4(skb, packet, message) : unreachable_ipv6(skb, packet, message)))
		return false;
	return !bpf_skb_store_bytes(skb, 0, mac, sizeof(mac), 0);
}

/* Answers a packet from the namespace behind this interface that is refused. What cannot be answered is dropped. */
static __always_inline int refuse_from(struct __sk_buff *skb, struct scratch *scratch)
{
	if (scratch->packet.protocol == IPPROTO_TCP)
		return reset_answer(skb, &scratch->packet);
	return unreachable_turn(skb, scratch) ? bpf_redirect(skb->ifindex, 0) : TC_ACT_SHOT;
}

/* The same for a packet to the namespace, as if it had got there and were answered from there. */
static __always_inline int refuse_to(struct __sk_buff *skb, struct scratch *scratch)
{
	if (scratch->packet.protocol == IPPROTO_TCP)
		return reset_answer_in(skb, &scratch->packet);
	return unreachable_turn(skb, scratch) ? bpf_redirect(skb->ifindex, BPF_F_INGRESS) : TC_ACT_SHOT;
}

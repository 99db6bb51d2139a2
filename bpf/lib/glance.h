/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the first lines of the programs on interfaces read of an ordinary packet, straight from its memory: all that
 * the packets of an established connection need. packet.h reads the others.
 */
#pragma once
#include "packet.h"

struct glance {
	struct malla_flow_key key;
	__u32 sequence; /* of TCP, host order */
	__u32 acknowledged;
	__u32 payload; /* bytes of the application's */
	__u32 transport; /* offset of the TCP or UDP header */
	__u8 flags;   /* of TCP: enum packet_flag */
	__u8 is_ipv4;
};

static __always_inline bool glance_ports(struct __sk_buff *skb, void *start, void *transport, bool departs,
					 struct glance *glance)
{
	void *end = (void *)(long)skb->data_end;
	__u16 source, destination;
	__u32 header;

	glance->transport = transport - start;
	if (glance->key.protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = transport;

		if ((void *)(tcp + 1) > end)
			return false;
		source = bpf_ntohs(tcp->source);
		destination = bpf_ntohs(tcp->dest);
		glance->sequence = bpf_ntohl(tcp->seq);
		glance->acknowledged = bpf_ntohl(tcp->ack_seq);
		glance->flags = ((__u8 *)tcp)[13];
		header = tcp->doff * 4;
	} else if (glance->key.protocol == IPPROTO_UDP) {
		struct udphdr *udp = transport;

		if ((void *)(udp + 1) > end)
			return false;
		source = bpf_ntohs(udp->source);
		destination = bpf_ntohs(udp->dest);
		header = sizeof(*udp);
	} else {
		return false;
	}
	glance->payload = skb->len - glance->transport - header;
	if (glance->payload > skb->len)
		return false;
	glance->key.local_port = departs ? source : destination;
	glance->key.remote_port = departs ? destination : source;
	return true;
}

/* Is it TCP without SYN, FIN and RST? */
static __always_inline bool glance_is_ordinary_tcp(struct __sk_buff *skb)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u8 *bytes = start + ETH_HLEN;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = start + ETH_HLEN;

		if ((void *)(ip + 1) + sizeof(struct tcphdr) > end || ip->ihl != 5 || ip->protocol != IPPROTO_TCP ||
		    ip->frag_off & bpf_htons(PACKET_IPV4_FRAGMENT))
			return false;
		return !(bytes[sizeof(*ip) + 13] & (PACKET_SYN | PACKET_FIN | PACKET_RST));
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = start + ETH_HLEN;

		if ((void *)(ip + 1) + sizeof(struct tcphdr) > end || ip->nexthdr != IPPROTO_TCP)
			return false;
		return !(bytes[sizeof(*ip) + 13] & (PACKET_SYN | PACKET_FIN | PACKET_RST));
	}
	return false;
}

/* Reads a packet from (`departs`) or to the workload behind the interface. False: it takes more than a glance. */
static __always_inline bool glance_read(struct __sk_buff *skb, bool departs, struct glance *glance)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	__builtin_memset(glance, 0, sizeof(*glance));
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = start + ETH_HLEN;

		if ((void *)(ip + 1) > end || ip->ihl != 5 || ip->frag_off & bpf_htons(PACKET_IPV4_FRAGMENT))
			return false;
		glance->is_ipv4 = true;
		glance->key.protocol = ip->protocol;
		glance->key.local = addr_from_ipv4(departs ? ip->saddr : ip->daddr);
		glance->key.remote = addr_from_ipv4(departs ? ip->daddr : ip->saddr);
		return glance_ports(skb, start, ip + 1, departs, glance);
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = start + ETH_HLEN;

		if ((void *)(ip + 1) > end)
			return false;
		glance->key.protocol = ip->nexthdr;
		__builtin_memcpy(&glance->key.local, departs ? &ip->saddr : &ip->daddr, sizeof(glance->key.local));
		__builtin_memcpy(&glance->key.remote, departs ? &ip->daddr : &ip->saddr, sizeof(glance->key.remote));
		return glance_ports(skb, start, ip + 1, departs, glance);
	}
	return false;
}

/* Is it in the middle of a connection? */
static __always_inline bool glance_is_middle(const struct glance *glance)
{
	return (glance->flags & (PACKET_SYN | PACKET_FIN | PACKET_RST | PACKET_ACK)) == PACKET_ACK;
}

/* The same of a packet that was read in full. */
static __always_inline void glance_of(const struct packet *packet, bool departs, struct glance *glance)
{
	__builtin_memset(glance, 0, sizeof(*glance));
	glance->key.local = departs ? packet->source : packet->destination;
	glance->key.remote = departs ? packet->destination : packet->source;
	glance->key.local_port = departs ? packet->source_port : packet->destination_port;
	glance->key.remote_port = departs ? packet->destination_port : packet->source_port;
	glance->key.protocol = packet->protocol;
	glance->sequence = packet->sequence;
	glance->acknowledged = packet->acknowledged;
	glance->payload = packet->payload;
	glance->transport = packet->transport;
	glance->flags = packet->flags;
	glance->is_ipv4 = packet->is_ipv4;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the programs on interfaces read of a packet, in one form for both families. */
#pragma once
#include "addr.h"
#include "hook.h"
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

/* Extension headers of IPv6 that are followed. */
#define PACKET_EXTENSIONS 6
#define PACKET_IPV4_FRAGMENT 0x3fff /* more to come, or not the first one */
#define PACKET_IPV4_OFFSET 0x1fff

/* The kernel's header names the flags one by one only. */
enum packet_flag {
	PACKET_FIN = 1,
	PACKET_SYN = 2,
	PACKET_RST = 4,
	PACKET_ACK = 16,
};

enum packet_kind {
	PACKET_OTHER,	   /* neither IPv4 nor IPv6 */
	PACKET_IP,	   /* addresses are known, ports where TCP or UDP is spoken */
	PACKET_TAIL,	   /* a later fragment: it has no ports */
	PACKET_UNREADABLE, /* cut short, or with more headers than are followed */
};

struct packet {
	struct malla_addr source;
	struct malla_addr destination;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 is_ipv4;
	__u8 is_fragment; /* the first one of several */
	__u8 flags;	  /* of TCP: enum packet_flag */
	__u32 transport;  /* offset of the TCP or UDP header */
	__u32 payload;	  /* bytes after it */
	__u32 sequence;	  /* of TCP, host order */
	__u32 acknowledged;
};

static __always_inline enum packet_kind packet_read_ports(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	packet->transport = offset;
	if (packet->protocol == IPPROTO_TCP) {
		struct tcphdr tcp;

		if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
			return PACKET_UNREADABLE;
		packet->source_port = bpf_ntohs(tcp.source);
		packet->destination_port = bpf_ntohs(tcp.dest);
		packet->flags = tcp.fin * PACKET_FIN | tcp.syn * PACKET_SYN | tcp.rst * PACKET_RST |
				tcp.ack * PACKET_ACK;
		packet->sequence = bpf_ntohl(tcp.seq);
		packet->acknowledged = bpf_ntohl(tcp.ack_seq);
		offset += tcp.doff * 4;
	} else if (packet->protocol == IPPROTO_UDP) {
		struct udphdr udp;

		if (bpf_skb_load_bytes(skb, offset, &udp, sizeof(udp)))
			return PACKET_UNREADABLE;
		packet->source_port = bpf_ntohs(udp.source);
		packet->destination_port = bpf_ntohs(udp.dest);
		offset += sizeof(udp);
	}
	packet->payload = skb->len > offset ? skb->len - offset : 0;
	return PACKET_IP;
}

static __always_inline enum packet_kind packet_read_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.ihl < 5)
		return PACKET_UNREADABLE;
	packet->is_ipv4 = true;
	packet->source = addr_from_ipv4(ip.saddr);
	packet->destination = addr_from_ipv4(ip.daddr);
	packet->protocol = ip.protocol;
	packet->is_fragment = (bpf_ntohs(ip.frag_off) & PACKET_IPV4_FRAGMENT) != 0;
	if (bpf_ntohs(ip.frag_off) & PACKET_IPV4_OFFSET)
		return PACKET_TAIL;
	return packet_read_ports(skb, ETH_HLEN + ip.ihl * 4, packet);
}

static __always_inline enum packet_kind packet_read_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	__u32 offset = ETH_HLEN + sizeof(struct ipv6hdr);
	struct ipv6hdr ip;
	__u8 next;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return PACKET_UNREADABLE;
	__builtin_memcpy(&packet->source, &ip.saddr, sizeof(packet->source));
	__builtin_memcpy(&packet->destination, &ip.daddr, sizeof(packet->destination));
	next = ip.nexthdr;
	for (int extension = 0; extension < PACKET_EXTENSIONS; extension++) {
		__u8 header[4];

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT) {
			packet->protocol = next;
			return packet_read_ports(skb, offset, packet);
		}
		if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
			return PACKET_UNREADABLE;
		if (next == IPPROTO_FRAGMENT) {
			packet->is_fragment = true;
			packet->protocol = header[0];
			if (header[2] || header[3] & 0xf8)
				return PACKET_TAIL;
			offset += 8;
		} else {
			offset += (header[1] + 1) * 8;
		}
		next = header[0];
	}
	return PACKET_UNREADABLE;
}

/* Reads an Ethernet frame. `packet` is whole for PACKET_IP, has addresses and protocol for PACKET_TAIL. */
static __always_inline enum packet_kind packet_read(struct __sk_buff *skb, struct packet *packet)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return packet_read_ipv4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return packet_read_ipv6(skb, packet);
	return PACKET_OTHER;
}

/* Begins a connection: SYN and nothing that would answer one. */
static __always_inline bool packet_is_opening(const struct packet *packet)
{
	return (packet->flags & (PACKET_SYN | PACKET_ACK | PACKET_RST)) == PACKET_SYN;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Addresses: one form for both families, and the questions that the decision asks of them. */
#pragma once
#include "malla/addr.h"
#include <bpf/bpf_endian.h>
#include <stdbool.h>

#define ADDR_MAPPED_PREFIX bpf_htonl(0xffff)
#define ADDR_LOOPBACK_IPV4 bpf_htonl(0x7f000001)

static __always_inline struct malla_addr addr_from_ipv4(__u32 ipv4)
{
	return (struct malla_addr){{0, 0, ADDR_MAPPED_PREFIX, ipv4}};
}

/* IPv4, whether it came from an IPv4 socket or as ::ffff:a.b.c.d from an IPv6 one. */
static __always_inline bool addr_is_ipv4(const struct malla_addr *addr)
{
	return addr->word[0] == 0 && addr->word[1] == 0 && addr->word[2] == ADDR_MAPPED_PREFIX;
}

static __always_inline bool addr_equal(const struct malla_addr *a, const struct malla_addr *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

static __always_inline bool addr_is_zero(const struct malla_addr *addr)
{
	return !(addr->word[0] | addr->word[1] | addr->word[2] | addr->word[3]);
}

/* The loopback address that the node's own listeners have in the family of `addr`. */
static __always_inline struct malla_addr addr_loopback_like(const struct malla_addr *addr)
{
	if (addr_is_ipv4(addr))
		return addr_from_ipv4(ADDR_LOOPBACK_IPV4);
	return (struct malla_addr){{0, 0, 0, bpf_htonl(1)}};
}

/* 127.0.0.0/8, ::1, and the unspecified addresses, which connect to loopback. */
static __always_inline bool addr_is_loopback(const struct malla_addr *addr)
{
	if (addr_is_ipv4(addr))
		return addr->word[3] == 0 || (addr->word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return addr->word[0] == 0 && addr->word[1] == 0 && addr->word[2] == 0 &&
	       (addr->word[3] & ~bpf_htonl(1)) == 0;
}

/* Multicast, and 255.255.255.255: whoever listens on all addresses of this node may be among those that it reaches. */
static __always_inline bool addr_is_for_many(const struct malla_addr *addr)
{
	if (addr_is_ipv4(addr))
		return (addr->word[3] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || addr->word[3] == 0xffffffff;
	return (addr->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Puts another address and port into a UDP datagram, and mends its checksums. */
#pragma once
#include "glance.h"

/* Which end of the datagram. */
enum translate_end {
	TRANSLATE_SOURCE,
	TRANSLATE_DESTINATION,
};

/* Replaces `old` by `addr`, of the same family. False: the datagram is left half done and must be dropped. What was read
 * straight from its memory is void afterwards. */
static __always_inline bool translate_addr(struct __sk_buff *skb, const struct glance *glance, enum translate_end end,
					   const struct malla_addr *old, const struct malla_addr *addr)
{
	__u32 checksum = glance->transport + __builtin_offsetof(struct udphdr, check);
	__u64 pseudo = BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0;
	__u32 offset;

	if (glance->is_ipv4) {
		offset = ETH_HLEN + (end == TRANSLATE_SOURCE ? __builtin_offsetof(struct iphdr, saddr)
							    : __builtin_offsetof(struct iphdr, daddr));
		return !bpf_l4_csum_replace(skb, checksum, old->word[3], addr->word[3], pseudo | 4) &&
		       !bpf_l3_csum_replace(skb, ETH_HLEN + __builtin_offsetof(struct iphdr, check), old->word[3],
					    addr->word[3], 4) &&
		       !bpf_skb_store_bytes(skb, offset, &addr->word[3], 4, 0);
	}
	offset = ETH_HLEN + (end == TRANSLATE_SOURCE ? __builtin_offsetof(struct ipv6hdr, saddr)
						    : __builtin_offsetof(struct ipv6hdr, daddr));
	return !bpf_l4_csum_replace(skb, checksum, 0,
				    bpf_csum_diff((__be32 *)old->word, sizeof(*old), (__be32 *)addr->word, sizeof(*addr), 0),
				    pseudo) &&
	       !bpf_skb_store_bytes(skb, offset, addr, sizeof(*addr), 0);
}

/* The same for the address and port of one end. */
static __always_inline bool translate(struct __sk_buff *skb, const struct glance *glance, enum translate_end end,
				      const struct malla_addr *old, __u16 old_port, const struct malla_addr *addr,
				      __u16 port)
{
	__u32 checksum = glance->transport + __builtin_offsetof(struct udphdr, check);
	__u32 offset = glance->transport + (end == TRANSLATE_SOURCE ? __builtin_offsetof(struct udphdr, source)
								   : __builtin_offsetof(struct udphdr, dest));
	__be16 old_be = bpf_htons(old_port), be = bpf_htons(port);

	if (!addr_equal(old, addr) && !translate_addr(skb, glance, end, old, addr))
		return false;
	if (old_port == port)
		return true;
	return !bpf_l4_csum_replace(skb, checksum, old_be, be, BPF_F_MARK_MANGLED_0 | 2) &&
	       !bpf_skb_store_bytes(skb, offset, &be, sizeof(be), 0);
}

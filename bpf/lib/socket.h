/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What a kernel socket says of itself. */
#pragma once
#include "addr.h"
#include "hook.h"
#include "kernel.h"

/* One of its addresses, of which it has both forms. */
static __always_inline struct malla_addr socket_addr(const struct sock_common *sk, __u32 ipv4,
						     const struct in6_addr *ipv6)
{
	const __u32 *word = ipv6->in6_u.u6_addr32;

	if (sk->skc_family == MALLA_AF_INET)
		return addr_from_ipv4(ipv4);
	return (struct malla_addr){{word[0], word[1], word[2], word[3]}};
}

/* The cookie of the socket that a program was called for, which nearly always has one. */
static __always_inline __u64 socket_cookie(struct bpf_sock_ops *ctx, const struct tcp_sock *tcp)
{
	__u64 cookie = ((const struct sock *)tcp)->__sk_common.skc_cookie.counter;

	return cookie ? cookie : bpf_get_socket_cookie(ctx);
}

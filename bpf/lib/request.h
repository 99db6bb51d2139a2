/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What an application asked for in connect() or sendmsg(), in one form for both families; and the
 * way back into the address that the kernel will use. */
#pragma once
#include "addr.h"
#include "config.h"
#include "hook.h"
#include "kernel.h"

/* Can the socket not reach v4-mapped addresses? */
static __always_inline bool is_ipv6_only(struct bpf_sock_addr *ctx)
{
	struct sock *sk;

	if (ctx->protocol == IPPROTO_TCP)
		sk = (struct sock *)bpf_skc_to_tcp6_sock(ctx->sk);
	else
		sk = (struct sock *)bpf_skc_to_udp6_sock(ctx->sk);
	return sk && BPF_CORE_READ_BITFIELD(&sk->__sk_common, skc_ipv6only);
}

static __always_inline struct malla_addr asked_addr(struct bpf_sock_addr *ctx, bool is_ipv4)
{
	if (is_ipv4)
		return addr_from_ipv4(ctx->user_ip4);
	return (struct malla_addr){{ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]}};
}

/* The two draws that one number makes. */
static __always_inline void request_draws(__u32 random[2], __u32 number)
{
	random[0] = number;
	random[1] = number * 0x85ebca6bu;
}

/* The decision's input. */
static __always_inline void request_read(struct bpf_sock_addr *ctx, bool is_ipv4, struct malla_explanation *it)
{
	__builtin_memset(it, 0, sizeof(*it));
	it->cgroup = bpf_get_current_cgroup_id();
	it->addr = asked_addr(ctx, is_ipv4);
	it->port = bpf_ntohs(ctx->user_port);
	it->protocol = ctx->protocol;
	it->is_ipv4 = is_ipv4;
	it->generation = generation_now();
	it->cookie = bpf_get_socket_cookie(ctx);
	if (it->protocol == IPPROTO_TCP)
		request_draws(it->random, bpf_get_prandom_u32());
	else /* All datagrams of a socket to one endpoint: Fibonacci hashing of its cookie. */
		request_draws(it->random, (__u32)it->cookie * 0x9e3779b1u);
}

static __always_inline void request_rewrite(struct bpf_sock_addr *ctx, bool is_ipv4,
					    const struct malla_addr *addr, __u16 port)
{
	if (is_ipv4) {
		ctx->user_ip4 = addr->word[3];
	} else {
		ctx->user_ip6[0] = addr->word[0];
		ctx->user_ip6[1] = addr->word[1];
		ctx->user_ip6[2] = addr->word[2];
		ctx->user_ip6[3] = addr->word[3];
	}
	ctx->user_port = bpf_htons(port);
}

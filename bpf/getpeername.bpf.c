/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * getpeername(): the address that the application asked for, not the one that it was sent to.
 * Hook: cgroup/getpeername4, cgroup/getpeername6 (struct bpf_sock_addr). Fails open: without a
 * record the true address is the answer.
 */
#include "hook.h"

#include "original.h"
#include "refuse.h"

SEC("cgroup/getpeername4")
int malla_getpeer4(struct bpf_sock_addr *ctx)
{
	show_original(ctx, record_of(ctx->sk, bpf_get_socket_cookie(ctx)), true);
	return PROCEED;
}

SEC("cgroup/getpeername6")
int malla_getpeer6(struct bpf_sock_addr *ctx)
{
	show_original(ctx, record_of(ctx->sk, bpf_get_socket_cookie(ctx)), false);
	return PROCEED;
}

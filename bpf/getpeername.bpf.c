/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * getpeername(): the address that the application asked for, not the one that it was sent to.
 * Hook: cgroup/getpeername4, cgroup/getpeername6 (struct bpf_sock_addr). Fails open: without a
 * record the true address is the answer.
 */
#include "hook.h"

#include "record.h"
#include "request.h"

static __always_inline int on_getpeername(struct bpf_sock_addr *ctx, bool is_ipv4)
{
	const struct malla_connection *record = record_of(ctx->sk);
	struct malla_addr addr = asked_addr(ctx, is_ipv4);

	/* A record may be older than the socket's present connection; the address tells. */
	if (record && record->direction == MALLA_OUTBOUND && record->destination_port == bpf_ntohs(ctx->user_port) &&
	    addr_equal(&record->destination, &addr))
		request_rewrite(ctx, is_ipv4, &record->original, record->original_port);
	return 1;
}

SEC("cgroup/getpeername4")
int malla_getpeer4(struct bpf_sock_addr *ctx)
{
	return on_getpeername(ctx, true);
}

SEC("cgroup/getpeername6")
int malla_getpeer6(struct bpf_sock_addr *ctx)
{
	return on_getpeername(ctx, false);
}

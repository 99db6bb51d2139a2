/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From the connecting socket to the accepted one: the record waits under the connection's tuple. */
#pragma once
#include "addr.h"
#include "hook.h"
#include "maps.h"
#include "record.h"

/* One end of the connection that a sockops program was called for. */
static __always_inline struct malla_addr local_addr(struct bpf_sock_ops *ctx)
{
	return (struct malla_addr){{ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
				    ctx->local_ip6[3]}};
}

static __always_inline struct malla_addr remote_addr(struct bpf_sock_ops *ctx)
{
	return (struct malla_addr){{ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2],
				    ctx->remote_ip6[3]}};
}

/* The tuple as the connecting side sees it; `accepted`: the caller is the other side. */
static __always_inline void handoff_tuple(struct bpf_sock_ops *ctx, bool accepted, struct malla_tuple *tuple)
{
	struct malla_addr local, remote = remote_addr(ctx);
	__u16 local_port = ctx->local_port, remote_port = bpf_ntohl(ctx->remote_port);

	/* An IPv6 socket on its way to a v4-mapped address has no IPv6 local address yet when its
	 * SYN leaves, but the IPv4 one is set. */
	if (ctx->family == MALLA_AF_INET || addr_is_ipv4(&remote)) {
		local = addr_from_ipv4(ctx->local_ip4);
		remote = addr_from_ipv4(ctx->remote_ip4);
	} else {
		local = local_addr(ctx);
	}
	tuple->source = accepted ? remote : local;
	tuple->destination = accepted ? local : remote;
	tuple->source_port = accepted ? remote_port : local_port;
	tuple->destination_port = accepted ? local_port : remote_port;
	tuple->reserved = 0;
	/* Two namespaces may use the same loopback tuple at the same time. */
	tuple->netns = bpf_get_netns_cookie(ctx);
}

/* Puts the record where the accepting side finds it: before the SYN leaves. */
static __always_inline void handoff_publish(struct bpf_sock_ops *ctx, const struct malla_connection *record)
{
	struct malla_tuple tuple;

	handoff_tuple(ctx, false, &tuple);
	bpf_map_update_elem(&malla_handoffs, &tuple, record, BPF_ANY);
}

/* Moves the record that waits for this accepted socket to it; NULL: there is none, or no memory. What the proxy accepts is
 * kept with the socket, where it reads it. */
static __always_inline struct malla_connection *handoff_take(struct bpf_sock_ops *ctx, __u64 cookie,
							     const struct malla_config *config)
{
	const struct malla_connection *waiting;
	struct malla_connection *record;
	struct bpf_sock *sk = ctx->sk;
	struct malla_tuple tuple;

	handoff_tuple(ctx, true, &tuple);
	waiting = bpf_map_lookup_elem(&malla_handoffs, &tuple);
	if (!waiting || !sk)
		return 0;
	if (waiting->path != MALLA_PATH_PROXY && config && tuple.netns == config->netns) {
		record = record_begun(sk, cookie, waiting);
	} else {
		record = record_made(sk);
		if (record)
			*record = *waiting;
	}
	if (!record)
		return 0;
	if (!bpf_map_delete_elem(&malla_handoffs, &tuple))
		return record;
	/* Evicted while it was copied, so that the copy may be of two records. */
	bpf_sk_storage_delete(&malla_connections, sk);
	bpf_map_delete_elem(&malla_young, &cookie);
	return 0;
}

/* Takes back what nobody took: a stranger with the same tuple must not find it later. */
static __always_inline void handoff_withdraw(struct bpf_sock_ops *ctx)
{
	struct malla_tuple tuple;

	handoff_tuple(ctx, false, &tuple);
	/* Most were taken, and looking takes no lock. */
	if (bpf_map_lookup_elem(&malla_handoffs, &tuple))
		bpf_map_delete_elem(&malla_handoffs, &tuple);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From the connecting socket to the accepted one: the record waits under the connection's tuple. */
#pragma once
#include "addr.h"
#include "hook.h"
#include "maps.h"
#include "meeting.h"
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
	__u16 local_port = ctx->local_port, remote_port = bpf_ntohl(ctx->remote_port);
	struct malla_addr local, remote;
	bool is_ipv4 = ctx->family == MALLA_AF_INET;

	/* An IPv6 socket on its way to a v4-mapped address has no IPv6 local address yet when its
	 * SYN leaves, but the IPv4 one is set. */
	if (!is_ipv4) {
		remote = remote_addr(ctx);
		is_ipv4 = addr_is_ipv4(&remote);
	}
	if (is_ipv4) {
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
static __always_inline void handoff_publish(struct bpf_sock_ops *ctx, struct malla_connection *record, __u64 cookie)
{
	struct malla_tuple tuple;

	handoff_tuple(ctx, false, &tuple);
	record->meeting = place_record(cookie) ? meeting_begin(&tuple, cookie) : 0;
	if (!record->meeting)
		bpf_map_update_elem(&malla_handoffs, &tuple, record, BPF_ANY);
}

/* A copy of the record for this accepted socket; NULL: no memory. What the proxy accepts is kept with the socket, where it
 * reads it. */
static __always_inline struct malla_connection *handoff_copy(struct bpf_sock *sk, __u64 cookie,
							     const struct malla_config *config,
							     const struct malla_connection *waiting, __u64 netns)
{
	bool is_young = waiting->path != MALLA_PATH_PROXY && config && netns == config->netns;
	struct malla_connection *record = is_young ? record_begun(sk, cookie) : record_made(sk);
	__u8 young;

	if (!record)
		return 0;
	young = record->flags & MALLA_CONNECTION_YOUNG;
	*record = *waiting;
	record->flags = (record->flags & ~MALLA_CONNECTION_YOUNG) | young;
	return record;
}

/* Takes the record that waits for this accepted socket; NULL: there is none, or no memory. */
static __always_inline struct malla_connection *handoff_take(struct bpf_sock_ops *ctx, __u64 cookie,
							     const struct malla_config *config)
{
	const struct malla_connection *waiting;
	struct malla_connection *record = 0;
	struct bpf_sock *sk = ctx->sk;
	struct malla_tuple tuple;
	__u64 other;

	if (!sk)
		return 0;
	handoff_tuple(ctx, true, &tuple);
	waiting = meeting_record(&tuple, &other);
	if (waiting) {
		record = handoff_copy(sk, cookie, config, waiting, tuple.netns);
		if (record && meeting_end(meeting_index(&tuple) + 1, other))
			return record;
	}
	/* Or a walk has moved it there just now. */
	waiting = bpf_map_lookup_elem(&malla_handoffs, &tuple);
	if (waiting) {
		record = handoff_copy(sk, cookie, config, waiting, tuple.netns);
		if (record && !bpf_map_delete_elem(&malla_handoffs, &tuple))
			return record;
	}
	if (!record)
		return 0;
	/* Gone while it was copied, so that the copy may be of two records. */
	bpf_sk_storage_delete(&malla_connections, sk);
	record_forget(cookie);
	return 0;
}

/* Takes back what nobody took: a stranger with the same tuple must not find it later. */
static __always_inline void handoff_withdraw(struct bpf_sock_ops *ctx, const struct malla_connection *record, __u64 cookie)
{
	struct malla_tuple tuple;

	if (record->meeting) {
		meeting_end(record->meeting, cookie);
		return;
	}
	handoff_tuple(ctx, false, &tuple);
	/* Most were taken, and looking takes no lock. */
	if (bpf_map_lookup_elem(&malla_handoffs, &tuple))
		bpf_map_delete_elem(&malla_handoffs, &tuple);
}

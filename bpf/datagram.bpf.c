/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * sendmsg() and recvmsg() of UDP sockets that are not connected: the same decision as connect(),
 * for each datagram; DNS goes to the node's resolver, and its answers look as if the server that
 * was asked had sent them.
 * Hook: cgroup/sendmsg4, cgroup/sendmsg6, cgroup/recvmsg4, cgroup/recvmsg6 (struct bpf_sock_addr).
 * An IPv6 socket sends to a v4-mapped address through sendmsg4 and receives through recvmsg6.
 * Fails closed when sending; when receiving, an answer without a record keeps its true source.
 */
#include "hook.h"

#include "affinity.h"
#include "config.h"
#include "decide.h"
#include "listener.h"
#include "original.h"
#include "record.h"
#include "rehearse.h"
#include "refuse.h"
#include "request.h"
#include "source.h"
#include "stat.h"

/* A connected IPv6 socket with a v4-mapped peer comes here with the address that connect() gave it.
 * What the application asked for is in the record. */
static __always_inline void recall_original(struct bpf_sock_addr *ctx, struct malla_explanation *it)
{
	const struct malla_connection *record;

	if (!it->is_ipv4 || ctx->sk->family != MALLA_AF_INET6 || ctx->sk->state != BPF_TCP_ESTABLISHED)
		return;
	record = record_kept(ctx->sk);
	if (record && record->destination_port == it->port && addr_equal(&record->destination, &it->addr)) {
		it->addr = record->original;
		it->port = record->original_port;
	}
}

static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, bool is_ipv4)
{
	const struct malla_config *config = config_now();
	struct malla_explanation it;
	struct malla_workload source = {};
	__u64 enrolled;
	struct malla_addr addr;
	__u16 port;

	if (!config)
		return REFUSE; /* an array's element is always there; the verifier wants to hear it */
	enrolled = current_workload(&source);
	if (enrolled && source.flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE))
		return PROCEED;
	stat_add(MALLA_STAT_DECISIONS);
	request_read(ctx, is_ipv4, &it);
	if (enrolled)
		it.cgroup = enrolled;
	if (enrolled && source.flags & MALLA_WORKLOAD_NAMESPACE)
		it.seen = MALLA_SEEN_IN_NAMESPACE;
	/* The kernel takes no v4-mapped address from a program here. */
	it.ipv6_only = !is_ipv4;
	recall_original(ctx, &it);

	decide(&it, enrolled ? &source : 0, 0, config, listens_now, ctx);
	tell_rehearsed(&it);
	if (it.path == MALLA_PATH_PASS)
		return PROCEED;
	/* One record per socket: answers look as if the server asked last had sent them. */
	if (it.path != MALLA_PATH_DENY && !record_decision(ctx, &it, config))
		deny(&it, MALLA_REASON_KERNEL_STATE);
	if (it.path == MALLA_PATH_DENY)
		return refuse(ctx, &it);
	affinity_keep(&it);
	destination(&it, config, &addr, &port);
	request_rewrite(ctx, is_ipv4, &addr, port);
	return PROCEED;
}

SEC("cgroup/sendmsg4")
int malla_sendmsg4(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, true);
}

SEC("cgroup/sendmsg6")
int malla_sendmsg6(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, false);
}

SEC("cgroup/recvmsg4")
int malla_recvmsg4(struct bpf_sock_addr *ctx)
{
	show_original(ctx, record_kept(ctx->sk), true);
	return PROCEED;
}

SEC("cgroup/recvmsg6")
int malla_recvmsg6(struct bpf_sock_addr *ctx)
{
	show_original(ctx, record_kept(ctx->sk), false);
	return PROCEED;
}

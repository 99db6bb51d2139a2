/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The life of TCP connections: hands the record to the accepting side and counts exactly.
 * Hook: sockops (struct bpf_sock_ops), on the mesh's cgroups. Gives no verdicts; a record that
 * gets lost here makes the proxy refuse the connection (not_captured).
 */
#include "hook.h"

#include "active.h"
#include "affinity.h"
#include "config.h"
#include "count.h"
#include "endpoint.h"
#include "event.h"
#include "fast.h"
#include "handoff.h"
#include "histogram.h"
#include "kernel.h"
#include "permit.h"
#include "record.h"
#include "transfer.h"
#include <linux/errno.h>

static __always_inline bool tells_all(void)
{
	const struct malla_config *config = config_now();

	return config && config->flags & MALLA_CONFIG_EVENTS_ALL;
}

/* listen() in the proxy's own cgroup: marks the socket, so that connect trusts it. */
SUBPROGRAM void on_listen(struct bpf_sock_ops *ctx)
{
	const struct malla_config *config = config_now();
	struct malla_connection *record;

	if (!config || !config->proxy_cgroup || bpf_get_current_cgroup_id() != config->proxy_cgroup)
		return;
	record = record_made(ctx->sk);
	if (record)
		record->flags = MALLA_CONNECTION_LISTENER;
}

/* Is the accepting side the proxy or a workload of this node, and waits for the record? */
static __always_inline bool is_handed_off(const struct malla_connection *record)
{
	if (record->direction != MALLA_OUTBOUND)
		return false;
	return record->path == MALLA_PATH_PROXY ||
	       (record->path == MALLA_PATH_DIRECT && addr_is_local(&record->destination));
}

/* The SYN is about to leave. */
SUBPROGRAM void on_syn(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct malla_connection *record;
	__u64 cookie;

	if (!sk)
		return;
	cookie = bpf_get_socket_cookie(ctx);
	record = record_of(sk, cookie);
	if (SELDOM(!record)) {
		permit_publish(ctx, sk);
		return;
	}
	record->state = BPF_TCP_SYN_SENT;
	bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	if (is_handed_off(record)) {
		handoff_publish(sk, record, cookie);
		record->flags |= MALLA_CONNECTION_PUBLISHED;
	}
	/* After the copy for the other end, which must not end what it did not begin. */
	if (SELDOM(record->flags & MALLA_CONNECTION_ACTIVE))
		active_begin(record);
}

/* The connection of `record`, at the end that connected, has got established. */
static __always_inline void established(struct bpf_sock_ops *ctx, const struct tcp_sock *tcp, struct malla_connection *record)
{
	/* TCP has just looked at the clock: the answer to the SYN has come. */
	record->established = tcp->tcp_clock_cache;
	record->state = BPF_TCP_ESTABLISHED;
	if (SELDOM(!(record->flags & MALLA_CONNECTION_YOUNG)))
		record_opened(record);
	if (SELDOM(record->flags & MALLA_CONNECTION_FAST))
		fast_join(ctx, record);
	if (SELDOM(tells_all()))
		event_of(record, MALLA_EVENT_OPENED, record->established - record->opened);
}

SUBPROGRAM void on_established(struct bpf_sock_ops *ctx)
{
	struct tcp_sock *tcp = ctx->sk ? (struct tcp_sock *)bpf_skc_to_tcp_sock(ctx->sk) : 0;
	struct malla_connection *record = tcp ? record_of(ctx->sk, socket_cookie(ctx, tcp)) : 0;

	if (record)
		established(ctx, tcp, record);
}

/* Both ends connected at once and nobody accepted: each keeps its own record, and withdraws it. */
SUBPROGRAM bool is_met(struct bpf_sock_ops *ctx, __u64 cookie)
{
	struct malla_connection *record = record_of(ctx->sk, cookie);

	if (!record || record->direction != MALLA_OUTBOUND || record->established)
		return false;
	on_established(ctx);
	return true;
}

/* An accepted socket: takes over the record of the connecting one. */
SUBPROGRAM void on_accepted(struct bpf_sock_ops *ctx)
{
	const struct malla_config *config = config_now();
	struct bpf_sock *sk = ctx->sk;
	struct malla_connection *record;
	bool is_counted_here;
	__u64 cookie;

	if (!sk)
		return;
	cookie = bpf_get_socket_cookie(ctx);
	if (SELDOM(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG) && is_met(ctx, cookie))
		return;
	record = handoff_take(sk, bpf_get_netns_cookie(ctx), cookie, config);
	if (!record) {
		/* Clients from outside of the mesh have none; at the proxy that is an event. */
		if (config && config->proxy_port && sk->src_port == config->proxy_port)
			stat_add(MALLA_STAT_HANDOFF_MISSED);
		return;
	}
	record->direction = MALLA_INBOUND;
	record->state = BPF_TCP_ESTABLISHED;
	/* Nearly always the other end has just looked at the clock. */
	if (SELDOM(!record->established))
		record->established = bpf_ktime_get_ns();
	record->birth = 0;
	record->meeting = 0;
	record->flags &= ~(MALLA_CONNECTION_PUBLISHED | MALLA_CONNECTION_COUNTED);
	/* What the proxy accepts is its client's connection, which is counted there, unless no hook is there. */
	if (record->path == MALLA_PATH_PROXY && !(record->flags & MALLA_CONNECTION_BY_PACKET))
		return;
	if (SELDOM(!record->cookie))
		record->cookie = cookie;
	is_counted_here = record->flags & MALLA_CONNECTION_ACTIVE && record->flags & MALLA_CONNECTION_BY_PACKET;
	record->flags &= MALLA_CONNECTION_YOUNG | MALLA_CONNECTION_BY_PACKET | MALLA_CONNECTION_FAST;
	bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	if (SELDOM(is_counted_here))
		active_begin(record);
	if (SELDOM(record->flags & MALLA_CONNECTION_FAST))
		fast_join(ctx, record);
	if (SELDOM(!(record->flags & MALLA_CONNECTION_YOUNG)))
		record_opened(record);
}

/* Why a connect failed, from the errno that its application will get. */
static __always_inline __u16 failure_reason(const struct tcp_sock *tcp)
{
	switch (((const struct sock *)tcp)->sk_err) {
	case 0:
		return MALLA_REASON_CONNECT_ABANDONED;
	case ETIMEDOUT:
		return MALLA_REASON_CONNECT_TIMEOUT;
	case ECONNREFUSED:
		return MALLA_REASON_CONNECT_REFUSED;
	default:
		return MALLA_REASON_CONNECT_UNREACHABLE;
	}
}

/* The connection never came to be. */
SUBPROGRAM void on_failed(const struct tcp_sock *tcp, struct malla_connection *record)
{
	struct malla_counter *counter;

	record->reason = failure_reason(tcp);
	affinity_forget(record);
	counter = counter_of(record);
	if (counter)
		COUNT(counter, failed, 1);
	event_of(record, MALLA_EVENT_FAILED, bpf_ktime_get_ns() - record->opened);
}

/* The end of a connection that asked for the fast path: what went there is counted with the rest, and its lane goes. */
SUBPROGRAM void on_fast_closed(struct bpf_sock *sk, struct tcp_sock *tcp, struct malla_connection *record,
			       struct malla_counter *counter, __u32 last)
{
	const struct malla_lane *lane;
	struct malla_tuple tuple;

	lane = fast_lane(sk, record->netns, &tuple);
	transfer_finish(tcp, record, counter, lane, last);
	if (lane)
		bpf_map_delete_elem(&malla_lanes, &tuple);
}

/* The connection is over. */
static __always_inline void on_closed(struct bpf_sock *sk, struct tcp_sock *tcp, struct malla_connection *record, __u32 last)
{
	bool was_young = record->flags & MALLA_CONNECTION_YOUNG;
	struct malla_counter *counter = counter_of(record);
	struct transfer moved = {};
	__u64 lasted;

	if (SELDOM(record->flags & MALLA_CONNECTION_FAST))
		on_fast_closed(sk, tcp, record, counter, last);
	else
		moved = transfer_finish(tcp, record, counter, 0, last);
	if (counter && was_young)
		COUNT(counter, opened, 1);
	if (counter)
		COUNT(counter, closed, 1);
	counter = counts_for_both(record) ? counter_of_accepted(record) : 0;
	if (counter) {
		/* What one end has sent the other has received. */
		transfer_count(counter, moved.received, moved.sent);
		if (was_young)
			COUNT(counter, opened, 1);
		COUNT(counter, closed, 1);
	}
	/* One end tells for both. */
	if (record->direction == MALLA_INBOUND && !(record->flags & MALLA_CONNECTION_BY_PACKET))
		return;
	/* TCP has just looked at the clock, unless the application ends an idle connection at once. */
	lasted = (last == BPF_TCP_ESTABLISHED ? bpf_ktime_get_ns() : tcp->tcp_clock_cache) - record->established;
	time_end(record, lasted, tcp->srtt_us, was_young);
	if (SELDOM(tells_all()) && record->direction == MALLA_OUTBOUND)
		event_of(record, MALLA_EVENT_CLOSED, lasted);
}

SUBPROGRAM void on_end(struct bpf_sock_ops *ctx, __u32 last)
{
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tcp = sk ? (struct tcp_sock *)bpf_skc_to_tcp_sock(sk) : 0;
	struct malla_connection *record;
	__u64 cookie;

	if (!tcp)
		return;
	cookie = socket_cookie(ctx, tcp);
	record = record_of(sk, cookie);
	if (SELDOM(!record)) {
		permit_withdraw(ctx, sk); /* of the proxy or a probe: no other socket without a record comes here */
		return;
	}
	if (record->state == BPF_TCP_CLOSE)
		return;
	record->state = BPF_TCP_CLOSE; /* before the last count: a live reader then leaves it alone */
	active_end(record);
	if (record->flags & MALLA_CONNECTION_PUBLISHED)
		handoff_withdraw(sk, record, cookie);
	if (record->established)
		on_closed(sk, tcp, record, last);
	else
		on_failed(tcp, record);
	record_forget(cookie);
}

/* Nothing is done but to see what it is about: most of the kernel's calls are about nothing of this. */
SEC("sockops")
int malla_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		on_listen(ctx);
		break;
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		on_syn(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		on_established(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		on_accepted(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		/* Whoever wants to know of another state reads it from the socket. */
		if (ctx->args[1] == BPF_TCP_CLOSE)
			on_end(ctx, ctx->args[0]);
		break;
	}
	return 1;
}

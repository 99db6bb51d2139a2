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
static __always_inline void on_listen(struct bpf_sock_ops *ctx)
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
static __always_inline void on_syn(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct malla_connection *record = record_of(ctx->sk, cookie);

	if (!record) {
		permit_publish(ctx);
		return;
	}
	record->state = BPF_TCP_SYN_SENT;
	bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	if (is_handed_off(record)) {
		handoff_publish(ctx, record, cookie);
		record->flags |= MALLA_CONNECTION_PUBLISHED;
	}
	/* After the copy for the other end, which must not end what it did not begin. */
	if (record->flags & MALLA_CONNECTION_ACTIVE)
		active_begin(record);
}

static __always_inline void on_established(struct bpf_sock_ops *ctx)
{
	struct malla_connection *record = record_of(ctx->sk, bpf_get_socket_cookie(ctx));

	if (!record)
		return;
	record->established = bpf_ktime_get_ns();
	record->state = BPF_TCP_ESTABLISHED;
	if (!(record->flags & MALLA_CONNECTION_YOUNG))
		record_opened(record);
	fast_join(ctx, record);
	if (tells_all())
		event_of(record, MALLA_EVENT_OPENED, record->established - record->opened);
}

/* An accepted socket: takes over the record of the connecting one. */
static __always_inline void on_accepted(struct bpf_sock_ops *ctx)
{
	const struct malla_config *config = config_now();
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct malla_connection *record = 0;
	bool is_counted_here;

	if (ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG)
		record = record_of(ctx->sk, cookie);
	/* Both ends connected at once and nobody accepted: each keeps its own record, and withdraws it. */
	if (record && record->direction == MALLA_OUTBOUND && !record->established) {
		on_established(ctx);
		return;
	}
	record = handoff_take(ctx, cookie, config);
	if (!record) {
		/* Clients from outside of the mesh have none; at the proxy that is an event. */
		if (config && config->proxy_port && ctx->local_port == config->proxy_port)
			stat_add(MALLA_STAT_HANDOFF_MISSED);
		return;
	}
	record->direction = MALLA_INBOUND;
	record->state = BPF_TCP_ESTABLISHED;
	record->established = bpf_ktime_get_ns();
	record->birth = 0;
	record->meeting = 0;
	record->flags &= ~(MALLA_CONNECTION_PUBLISHED | MALLA_CONNECTION_COUNTED);
	/* What the proxy accepts is its client's connection, which is counted there, unless no hook is there. */
	if (record->path == MALLA_PATH_PROXY && !(record->flags & MALLA_CONNECTION_BY_PACKET))
		return;
	if (!record->cookie)
		record->cookie = bpf_get_socket_cookie(ctx);
	is_counted_here = record->flags & MALLA_CONNECTION_ACTIVE && record->flags & MALLA_CONNECTION_BY_PACKET;
	record->flags &= MALLA_CONNECTION_YOUNG | MALLA_CONNECTION_BY_PACKET | MALLA_CONNECTION_FAST;
	bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	if (is_counted_here)
		active_begin(record);
	fast_join(ctx, record);
	if (!(record->flags & MALLA_CONNECTION_YOUNG))
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
static __always_inline void on_failed(const struct tcp_sock *tcp, struct malla_connection *record)
{
	struct malla_counter *counter;

	record->reason = failure_reason(tcp);
	affinity_forget(record);
	counter = counter_of(record);
	if (counter)
		COUNT(counter, failed, 1);
	event_of(record, MALLA_EVENT_FAILED, bpf_ktime_get_ns() - record->opened);
}

/* The connection is over. */
static __always_inline void on_closed(struct bpf_sock_ops *ctx, const struct tcp_sock *tcp,
				      struct malla_connection *record, __u32 last)
{
	bool was_young = record->flags & MALLA_CONNECTION_YOUNG;
	struct malla_counter *counter = counter_of(record);
	const struct malla_lane *lane;
	struct malla_tuple tuple;
	__u64 lasted;

	lane = fast_lane(ctx, record, &tuple);
	transfer_finish(tcp, record, counter, lane, last);
	if (lane)
		bpf_map_delete_elem(&malla_lanes, &tuple);
	if (counter && was_young)
		COUNT(counter, opened, 1);
	if (counter)
		COUNT(counter, closed, 1);
	/* One end tells for both. */
	if (record->direction == MALLA_INBOUND && !(record->flags & MALLA_CONNECTION_BY_PACKET))
		return;
	lasted = bpf_ktime_get_ns() - record->established;
	time_end(record, lasted, tcp->srtt_us, was_young);
	if (record->direction == MALLA_OUTBOUND && tells_all())
		event_of(record, MALLA_EVENT_CLOSED, lasted);
}

static __always_inline void on_state(struct bpf_sock_ops *ctx)
{
	__u32 last = ctx->args[0];
	struct bpf_sock *sk = ctx->sk;
	struct malla_connection *record;
	struct tcp_sock *tcp;
	__u64 cookie;

	if (ctx->args[1] != BPF_TCP_CLOSE)
		return; /* whoever wants to know reads it from the socket */
	cookie = bpf_get_socket_cookie(ctx);
	record = record_of(sk, cookie);
	if (sk && !record)
		permit_withdraw(ctx); /* of the proxy or a probe: no other socket without a record comes here */
	if (!sk || !record || record->state == BPF_TCP_CLOSE)
		return;
	record->state = BPF_TCP_CLOSE; /* before the last count: a live reader then leaves it alone */
	active_end(record);
	if (record->flags & MALLA_CONNECTION_PUBLISHED)
		handoff_withdraw(ctx, record, cookie);
	tcp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
	if (tcp && record->established)
		on_closed(ctx, tcp, record, last);
	else if (tcp)
		on_failed(tcp, record);
	record_forget(cookie);
}

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
		on_state(ctx);
		break;
	}
	return 1;
}

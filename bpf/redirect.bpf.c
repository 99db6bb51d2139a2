/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The fast path: what one workload sends goes into the other's receiving queue, past TCP.
 * Hook: sk_msg of malla_fast (struct sk_msg_md), for each write to a socket there. Gives no verdicts but which way; whatever
 * is not certain goes by TCP, which is always right.
 *
 * The receiver reads what was redirected before what came by TCP. So it is redirected only when nothing is on its way by
 * TCP, and from the moment when the receiver has too much waiting everything goes by TCP again, whose window holds the sender
 * back. See docs/design/0013-fast-path.md.
 */
#include "hook.h"

#include "config.h"
#include "lane.h"

/* A receiver with more than this waiting is fed by TCP again; the way back to redirecting is taken with a quarter. */
#define LANE_LIMIT (512 * 1024)

static __always_inline struct malla_tuple message_tuple(struct sk_msg_md *ctx)
{
	struct malla_tuple tuple = {
		.source_port = ctx->local_port,
		.destination_port = bpf_ntohl(ctx->remote_port),
		.netns = bpf_get_netns_cookie(ctx),
	};

	if (ctx->family == MALLA_AF_INET) {
		tuple.source = addr_from_ipv4(ctx->local_ip4);
		tuple.destination = addr_from_ipv4(ctx->remote_ip4);
	} else {
		tuple.source = (struct malla_addr){
			{ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3]}};
		tuple.destination = (struct malla_addr){
			{ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2], ctx->remote_ip6[3]}};
	}
	return tuple;
}

/*
 * May the next bytes go past TCP? `to` is the receiving socket, which may be gone: then what is read of it means nothing,
 * and it is in malla_fast no more, so that the redirect itself fails.
 */
static __always_inline bool may_redirect(const struct malla_lane *lane, const struct tcp_sock *from, struct tcp_sock *to)
{
	__u32 waiting = BPF_CORE_READ(to, inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter);
	__u32 next = BPF_CORE_READ(to, rcv_nxt);

	if (lane->mode == MALLA_LANE_REDIRECTED)
		return waiting <= LANE_LIMIT;
	return next == BPF_CORE_READ(to, copied_seq) && next == from->write_seq && waiting <= LANE_LIMIT / 4;
}

static __always_inline void set_mode(struct malla_lane *lane, __u32 mode)
{
	if (lane->mode == mode)
		return;
	lane->mode = mode;
	lane->turns++;
}

SEC("sk_msg")
int malla_redirect(struct sk_msg_md *ctx)
{
	struct malla_tuple own = message_tuple(ctx), peer = lane_peer(&own);
	const struct malla_config *config = config_now();
	struct malla_lane *lane = bpf_map_lookup_elem(&malla_lanes, &own);
	struct malla_lane *other = bpf_map_lookup_elem(&malla_lanes, &peer);
	struct bpf_sock *sk = ctx->sk;
	__u32 size = ctx->size;
	struct tcp_sock *tcp;

	if (!lane || !sk || !config)
		return SK_PASS;
	tcp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return SK_PASS;
	lane->socket = (__u64)tcp;
	if (!(config->flags & MALLA_CONFIG_FAST) || !other || !other->socket ||
	    !may_redirect(lane, tcp, (struct tcp_sock *)other->socket) ||
	    bpf_msg_redirect_hash(ctx, &malla_fast, &peer, BPF_F_INGRESS) != SK_PASS) {
		set_mode(lane, MALLA_LANE_TCP);
		return SK_PASS;
	}
	set_mode(lane, MALLA_LANE_REDIRECTED);
	lane->sent += size;
	__sync_fetch_and_add(&other->received, size);
	return SK_PASS;
}

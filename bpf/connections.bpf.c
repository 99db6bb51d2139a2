/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The live connections, with their bytes up to now.
 * Hook: iter/bpf_sk_storage_map over malla_connections. Reading it to its end gives an array of
 * struct malla_live, and brings malla_counters up to date: read the counters afterwards, and add
 * nothing to them. Gives no verdicts.
 */
#include "hook.h"

#include "addr.h"
#include "count.h"
#include "kernel.h"
#include "lane.h"
#include "transfer.h"

SEC("iter/bpf_sk_storage_map")
int malla_live(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct malla_connection *record = ctx->value;
	struct sock *sk = ctx->sk;
	struct tcp_sock *tcp;
	struct malla_live live = {};
	const struct sock_common *common;
	const struct malla_lane *lane = 0;

	if (!sk || !record) /* the end */
		return 0;
	if (record->protocol != IPPROTO_TCP || record->flags & MALLA_CONNECTION_LISTENER || !record->state ||
	    record->state == BPF_TCP_CLOSE)
		return 0;
	tcp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	common = &sk->__sk_common;
	if (record->flags & MALLA_CONNECTION_FAST) {
		struct malla_tuple tuple = lane_of(common);

		lane = bpf_map_lookup_elem(&malla_lanes, &tuple);
	}
	transfer_catch_up(tcp, record, lane);

	live.cookie = bpf_get_socket_cookie(sk);
	live.sent = record->sent;
	live.received = record->received;
	live.local = socket_addr(common, common->skc_rcv_saddr, &common->skc_v6_rcv_saddr);
	live.remote = socket_addr(common, common->skc_daddr, &common->skc_v6_daddr);
	live.local_port = common->skc_num;
	live.remote_port = bpf_ntohs(common->skc_dport);
	live.state = common->skc_state;
	live.round_trip_us = tcp->srtt_us >> 3;
	live.connection = *record;
	bpf_seq_write(ctx->meta->seq, &live, sizeof(live));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Cuts the connections that the generation in force does not allow any more.
 * Hook: iter/tcp and iter/udp of the reading process's network namespace. Reading one to its end judges every socket
 * there that has a record or, in a workload's own namespace, a flow, and gives an array of struct malla_cut, one for each socket that was
 * destroyed: its own process gets ECONNABORTED, its TCP peer a reset. What goes on gets the generation and the rule
 * that allow it now.
 */
#include "hook.h"

#include "config.h"
#include "count.h"
#include "event.h"
#include "judge.h"
#include "kernel.h"
#include "settle.h"
#include "socket.h"
#include "stranger.h"

extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

/* Destroys a socket whose connection is refused now, and tells of it. */
static __always_inline int cut_socket(struct bpf_iter_meta *meta, struct sock_common *common,
				      const struct malla_connection *record, struct ruling ruling)
{
	struct malla_cut cut = {};

	cut.connection = record->cookie;
	cut.source_workload = record->source_workload;
	cut.target_workload = record->target_workload;
	cut.service = record->service;
	cut.rule = ruling.rule;
	cut.reason = ruling.reason;
	cut.path = record->path;
	cut.direction = record->direction;
	cut.protocol = record->protocol;
	/* A full buffer makes the kernel call once more for this socket, after it was read: nothing
	 * must have happened by then. */
	if (bpf_seq_write(meta->seq, &cut, sizeof(cut)))
		return 0;
	if (bpf_sock_destroy(common))
		return 0;
	count_cut(record, ruling.reason);
	/* Of a connection within the node the end that the walk meets first is cut, and takes the other along. */
	event_cut(record, ruling.reason, ruling.rule);
	return 0;
}

static __always_inline int judge_socket(struct bpf_iter_meta *meta, struct sock_common *common,
					struct malla_connection *record)
{
	__u32 generation = generation_now();
	struct ruling ruling;

	if (!generation || record->flags & MALLA_CONNECTION_LISTENER || record->state == BPF_TCP_CLOSE)
		return 0;
	ruling = judge(record, generation);
	if (ruling.reason != MALLA_REASON_PASSED)
		return cut_socket(meta, common, record, ruling);
	record->rule = ruling.rule;
	record->generation = generation;
	return 0;
}

/* A socket without a record. */
static __always_inline int judge_stranger(struct bpf_iter_meta *meta, struct sock_common *common, const struct malla_flow_key *key)
{
	struct sock *sk = (struct sock *)bpf_skc_to_tcp_sock(common);
	struct malla_connection record = {};
	struct ruling ruling = {};

	if (!sk || !stranger_is_refused(sk, key, &record, &ruling))
		return 0;
	return cut_socket(meta, common, &record, ruling);
}

/* A socket in a workload's own network namespace, of which its packets are known only. */
static __always_inline int judge_by_flow(struct bpf_iter_meta *meta, struct sock_common *common)
{
	struct malla_flow_key key = {
		.local = socket_addr(common, common->skc_rcv_saddr, &common->skc_v6_rcv_saddr),
		.remote = socket_addr(common, common->skc_daddr, &common->skc_v6_daddr),
		.local_port = common->skc_num,
		.remote_port = bpf_ntohs(common->skc_dport),
		.protocol = IPPROTO_TCP,
	};
	struct malla_flow *flow = bpf_map_lookup_elem(&malla_flows, &key);
	__u32 generation = generation_now();
	struct ruling ruling;

	if (!flow)
		return judge_stranger(meta, common, &key);
	if (!generation || flow->flags & MALLA_FLOW_CLOSED)
		return 0;
	ruling = judge_flow(flow, generation);
	return ruling.reason == MALLA_REASON_PASSED ? 0 : cut_socket(meta, common, &flow->connection, ruling);
}

SEC("iter/tcp")
int malla_revoke_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct malla_connection *record;
	struct sock *sk;

	/* Neither a request nor a socket that only waits for late packets has a record. */
	if (!common || common->skc_state == BPF_TCP_TIME_WAIT || common->skc_state == BPF_TCP_NEW_SYN_RECV)
		return 0;
	sk = (struct sock *)bpf_skc_to_tcp_sock(common);
	if (!sk)
		return 0;
	record = settled(sk);
	/* Without memory it stays among the young, and is judged there. */
	if (!record)
		record = young_record(sk);
	if (!record)
		return judge_by_flow(ctx->meta, common);
	if (record->protocol != IPPROTO_TCP)
		return 0;
	return judge_socket(ctx->meta, common, record);
}

/* Only what is connected: other sockets are judged at each datagram. */
SEC("iter/udp")
int malla_revoke_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;
	struct malla_connection *record;

	if (!udp || ((struct sock_common *)udp)->skc_state != BPF_TCP_ESTABLISHED)
		return 0;
	record = bpf_sk_storage_get(&malla_connections, (struct sock *)udp, 0, 0);
	if (!record || record->protocol != IPPROTO_UDP)
		return 0;
	return judge_socket(ctx->meta, (struct sock_common *)udp, record);
}

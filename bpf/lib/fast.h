/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* On to the fast path, and off it at the end: both ends of connections whose service asks for it. */
#pragma once
#include "handoff.h"
#include "kernel.h"

#define FAST_NONBLOCKING 04000 /* O_NONBLOCK */

/* What every end of such a connection begins with. */
static const struct malla_lane lane_zero;

/* Would a read of this socket wait? One that another program wakes without data is told EAGAIN on the fast path. */
static __always_inline bool fast_would_wait(struct tcp_sock *tcp)
{
	struct file *file = BPF_CORE_READ(tcp, inet_conn.icsk_inet.sk.sk_socket, file);

	return !file || !(BPF_CORE_READ(file, f_flags) & FAST_NONBLOCKING);
}

/*
 * Puts an established end on the fast path, when the other is on this node. Not where its kernel or its application would notice: subflows of MPTCP, and
 * connecting sockets that wait in their calls. Of an accepted socket that cannot be told yet; whoever asks for its service
 * says so.
 */
SUBPROGRAM void fast_join(struct bpf_sock_ops *ctx, const struct malla_connection *record)
{
	const struct malla_config *config = config_now();
	struct bpf_sock *sk = ctx->sk;
	struct malla_tuple tuple;
	struct tcp_sock *tcp;

	if (!config || !(config->flags & MALLA_CONFIG_FAST) || !sk)
		return;
	tcp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
	if (!tcp || BPF_CORE_READ_BITFIELD_PROBED(tcp, is_mptcp) ||
	    (record->direction == MALLA_OUTBOUND &&
	     (!(record->flags & MALLA_CONNECTION_PUBLISHED) || fast_would_wait(tcp))))
		return;
	handoff_tuple(sk, bpf_get_netns_cookie(ctx), false, &tuple);
	if (!bpf_map_update_elem(&malla_lanes, &tuple, &lane_zero, BPF_ANY) &&
	    bpf_sock_hash_update(ctx, &malla_fast, &tuple, BPF_ANY))
		bpf_map_delete_elem(&malla_lanes, &tuple);
}

/* What went past TCP at this end of a connection that asked for it; NULL: nothing. */
static __always_inline const struct malla_lane *fast_lane(struct bpf_sock *sk, __u64 netns, struct malla_tuple *tuple)
{
	handoff_tuple(sk, netns, false, tuple);
	return bpf_map_lookup_elem(&malla_lanes, tuple);
}

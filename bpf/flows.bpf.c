/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The connections of network namespaces that no hook sees at their sockets, with their bytes up to now.
 * Hook: iter/bpf_map_elem over malla_flows. Reading it to its end gives an array of struct malla_live, as malla_live
 * does for sockets, and brings malla_counters up to date. Gives no verdicts.
 */
#include "hook.h"

#include "front.h"

/* kernel.h has addresses of its own, which do not go with those of packets. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;
struct bpf_map;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

#pragma clang attribute pop

SEC("iter/bpf_map_elem")
int malla_live_flows(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct malla_flow_key *found = ctx->key;
	struct malla_live live = {};
	struct malla_flow_key key;
	struct malla_flow *flow;
	__u64 sent, received;

	if (!found || !ctx->value) /* the end */
		return 0;
	key = *found;
	flow = bpf_map_lookup_elem(&malla_flows, &key);
	if (!flow)
		return 0; /* evicted meanwhile */
	front_total(&key, flow, &sent, &received);
	flow_count_to(flow, sent, received);
	if (key.protocol != IPPROTO_TCP || flow->flags & (MALLA_FLOW_UNCOUNTED | MALLA_FLOW_CLOSED) ||
	    !(flow->flags & MALLA_FLOW_OPEN))
		return 0;
	live.sent = sent;
	live.received = received;
	live.local = key.local;
	live.remote = key.remote;
	live.local_port = key.local_port;
	live.remote_port = key.remote_port;
	live.state = flow->connection.state;
	live.connection = flow->connection;
	bpf_seq_write(ctx->meta->seq, &live, sizeof(live));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Who may come in without a record: connections of the node proxy and of probes, which no policy is asked about. Each
 * is known by its flow from before its SYN leaves until its socket closes, so that no stranger finds it.
 */
#pragma once
#include "handoff.h"
#include "source.h"

static __always_inline void permit_key_of(struct bpf_sock_ops *ctx, struct bpf_sock *sk, struct malla_permit_key *key)
{
	struct malla_tuple tuple;

	handoff_tuple(sk, bpf_get_netns_cookie(ctx), false, &tuple);
	*key = (struct malla_permit_key){
		.source = tuple.source,
		.destination = tuple.destination,
		.source_port = tuple.source_port,
		.destination_port = tuple.destination_port,
		.protocol = IPPROTO_TCP,
		.netns = tuple.netns,
	};
}

/* A SYN is about to leave that no hook decided on: of the proxy or a probe? The process that connects says so, not the
 * cgroup of its socket, which may have been passed on. */
SUBPROGRAM void permit_publish(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct malla_workload source = {};
	struct malla_permit_key key;
	struct malla_permit permit;

	if (!current_workload(&source) || !(source.flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE)))
		return;
	permit_key_of(ctx, sk, &key);
	permit = (struct malla_permit){source.identity, source.workload, bpf_ktime_get_ns()};
	if (!bpf_map_update_elem(&malla_permits, &key, &permit, BPF_ANY))
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The socket of a permitted connection closes. */
SUBPROGRAM void permit_withdraw(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct malla_permit_key key;

	permit_key_of(ctx, sk, &key);
	bpf_map_delete_elem(&malla_permits, &key);
}

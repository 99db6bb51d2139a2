/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Open connections to workloads of this node that no hook decided on: what the guard let in from somebody whom nobody
 * knows, or what was open before there was a guard. They have no record, and are judged as the guard would judge them now.
 * Seen from the end that cannot be mistaken: the accepting one of what comes from other hosts, the connecting one of
 * what a process of this node outside of the mesh has begun.
 */
#pragma once
#include "config.h"
#include "endpoint.h"
#include "holder.h"
#include "judge.h"

/* Does it come from another host to a port of the workload that holds `sk`, the accepting end? */
static __always_inline bool stranger_is_accepted(const struct malla_workload *holder, const struct malla_flow_key *key,
						 struct malla_endpoint *endpoint)
{
	const struct malla_flow_key back = {
		.local = key->remote,
		.remote = key->local,
		.local_port = key->remote_port,
		.remote_port = key->local_port,
		.protocol = IPPROTO_TCP,
	};

	if (addr_is_local(&key->remote) || !addr_is_local(&key->local) ||
	    !endpoint_at(&key->local, key->local_port, endpoint) || holder->workload != endpoint->workload)
		return false;
	/* A network namespace's is judged with its packets. */
	return !bpf_map_lookup_elem(&malla_flows, &back);
}

/* Does it lead to a workload's port, and is not one of the daemon's own checks? */
static __always_inline bool stranger_is_connected(const struct malla_flow_key *key, __u64 netns,
						  struct malla_endpoint *endpoint)
{
	const struct malla_permit_key permit = {
		.source = key->local,
		.destination = key->remote,
		.source_port = key->local_port,
		.destination_port = key->remote_port,
		.protocol = IPPROTO_TCP,
		.netns = netns,
	};

	return addr_is_local(&key->remote) && endpoint_at(&key->remote, key->remote_port, endpoint) &&
	       !bpf_map_lookup_elem(&malla_permits, &permit);
}

/* Judges the connection of a socket in the guarded namespace. True: it is refused, and `record` tells what it is. */
static __always_inline bool stranger_is_refused(struct sock *sk, const struct malla_flow_key *key,
						struct malla_connection *record, struct ruling *ruling)
{
	__u64 netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	__u8 state = sk->__sk_common.skc_state;
	const struct malla_config *config = config_now();
	struct malla_endpoint endpoint = {};
	struct policy_question asked;
	struct malla_workload holder = {};
	bool accepted, enrolled;

	if (!config || config->netns != netns || state == BPF_TCP_LISTEN || state == BPF_TCP_SYN_SENT || state == BPF_TCP_CLOSE)
		return false;
	/* Nearly every socket of the node ends here. */
	accepted = endpoint_has_port(key->local_port);
	if (!accepted && !endpoint_has_port(key->remote_port))
		return false;
	enrolled = enrolled_above((__u64)BPF_CORE_READ(sk, sk_cgrp_data.cgroup), &holder);
	accepted = accepted && enrolled && stranger_is_accepted(&holder, key, &endpoint);
	/* What a workload, the proxy or a probe has connected is judged otherwise, or not at all. */
	if (!accepted && (enrolled || !stranger_is_connected(key, netns, &endpoint)))
		return false;
	asked = (struct policy_question){
		.generation = generation_now(),
		.scope = endpoint.scope,
		.source = MALLA_IDENTITY_UNKNOWN,
		.to = endpoint.addr,
		.is_ipv4 = addr_is_ipv4(&endpoint.addr),
		.port = endpoint.port,
	};
	policy_ask_from(&asked, accepted ? &key->remote : &key->local);
	record->destination = accepted ? key->local : key->remote;
	record->destination_port = accepted ? key->local_port : key->remote_port;
	record->original = record->destination;
	record->original_port = record->destination_port;
	record->from = asked.from;
	if (!asked.port)
		asked.port = record->destination_port;
	record->path = MALLA_PATH_DIRECT;
	record->direction = MALLA_INBOUND;
	record->protocol = IPPROTO_TCP;
	record->target = endpoint.identity;
	record->target_workload = endpoint.workload;
	if (!asked.generation)
		return false;
	*ruling = policy_rule(&asked);
	if (ruling->reason == MALLA_REASON_PASSED)
		return false;
	ruling->reason = MALLA_REASON_REVOKED;
	return true;
}

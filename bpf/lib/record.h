/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The record of a connection, kept with its socket. */
#pragma once
#include "count.h"
#include "decide.h"
#include "hook.h"
#include "place.h"
#include "stat.h"

/* The record that is kept with the socket itself; NULL: none, or none yet. */
static __always_inline struct malla_connection *record_kept(struct bpf_sock *sk)
{
	return sk ? bpf_sk_storage_get(&malla_connections, sk, 0, 0) : 0;
}

/* Takes the record out from among the young. */
static __always_inline void record_forget(__u64 cookie)
{
	if (!place_leave(cookie))
		bpf_map_delete_elem(&malla_young, &cookie);
}

/* The socket's record; NULL: no hook decided on it. A walk may move it meanwhile, so it is looked for twice. */
static __always_inline struct malla_connection *record_of(struct bpf_sock *sk, __u64 cookie)
{
	struct malla_connection *record = place_record(cookie);

	if (!SELDOM(!record))
		return record;
	record = record_kept(sk);
	if (record)
		return record;
	record = bpf_map_lookup_elem(&malla_young, &cookie);
	return record ? record : record_kept(sk);
}

/* The same, made when there is none yet; NULL: no memory, and counted. */
static __always_inline struct malla_connection *record_made(struct bpf_sock *sk)
{
	struct malla_connection *record =
		sk ? bpf_sk_storage_get(&malla_connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;

	if (!record)
		stat_add(MALLA_STAT_STORAGE_FAILED);
	return record;
}

/* What a young record begins with. */
static const struct malla_connection record_zero;

/* The record of a TCP socket of the node's own network namespace, to be written: among the young; with the socket when
 * it is there already, or when there is no room. NULL: no memory for either, and counted. */
static __always_inline struct malla_connection *record_begun(struct bpf_sock *sk, __u64 cookie)
{
	struct malla_connection *record = record_kept(sk);

	if (record)
		return record;
	record = place_take(cookie);
	if (SELDOM(!record)) {
		if (!bpf_map_update_elem(&malla_young, &cookie, &record_zero, BPF_ANY))
			record = bpf_map_lookup_elem(&malla_young, &cookie);
		if (!record)
			return record_made(sk);
	}
	record->flags = MALLA_CONNECTION_YOUNG;
	return record;
}

/* Writes down what was decided, all but the destination. A socket may connect again after a failure or AF_UNSPEC,
 * so every field is set anew. */
static __always_inline void record_write(struct malla_connection *record, const struct malla_explanation *it)
{
	record->original = it->addr;
	record->original_port = it->port;
	record->path = it->path;
	record->direction = MALLA_OUTBOUND;
	record->protocol = it->protocol;
	record->flags = (record->flags & MALLA_CONNECTION_YOUNG) | (it->balance & MALLA_SERVICE_LEAST ? MALLA_CONNECTION_ACTIVE : 0) |
			(it->affinity ? MALLA_CONNECTION_STICKY : 0);
	record->source = it->source;
	record->source_workload = it->source_workload;
	record->target = it->endpoint.identity;
	record->target_workload = it->endpoint.workload;
	record->service = it->service;
	record->rule = it->rule;
	record->generation = it->generation;
	record->reason = it->reason;
	record->state = 0;
	record->cgroup = it->cgroup;
	record->opened = bpf_ktime_get_ns();
	record->established = 0;
	record->sent = 0;
	record->received = 0;
	record->retransmits = 0;
	record->endpoint = it->picked;
	record->birth = 0;
	record->meeting = 0;
	record->from = (struct malla_addr){};
}

/* Keeps what was decided with the connecting socket. False: there is no memory for it. */
static __always_inline bool record_decision(struct bpf_sock_addr *ctx, const struct malla_explanation *it,
					    const struct malla_config *config)
{
	__u64 cookie = it->cookie, netns = bpf_get_netns_cookie(ctx);
	bool is_young = it->protocol == IPPROTO_TCP && netns == config->netns;
	struct malla_connection *record =
		is_young ? record_begun(ctx->sk, cookie) : record_made(ctx->sk);
	bool datagrams = it->protocol == IPPROTO_UDP && it->path == MALLA_PATH_DIRECT, goes_on;
	struct malla_counter *counter;
	struct malla_addr addr;
	__u16 port;

	if (!record)
		return false;
	destination(it, config, &addr, &port);
	goes_on = datagrams && record->flags & MALLA_CONNECTION_COUNTED && record->destination_port == port &&
		  addr_equal(&record->destination, &addr);
	record_write(record, it);
	record->destination = addr;
	record->destination_port = port;
	if (it->balance & MALLA_SERVICE_FAST && it->path == MALLA_PATH_DIRECT && it->protocol == IPPROTO_TCP)
		record->flags |= MALLA_CONNECTION_FAST;
	if (datagrams) {
		/* No hook sees what becomes of it: a socket that turns to an endpoint counts as a connection. */
		record->flags = MALLA_CONNECTION_COUNTED;
		counter = goes_on ? 0 : counter_of(record);
		if (counter)
			COUNT(counter, opened, 1);
	}
	if (it->path == MALLA_PATH_PROXY) {
		const struct malla_addr *from = workload_addr(it->source_workload, addr_is_ipv4(&it->addr));

		if (from)
			record->from = *from;
	}
	record->netns = netns;
	barrier(); /* From here on malla_vacate may judge by the rest. */
	record->cookie = cookie;
	return true;
}

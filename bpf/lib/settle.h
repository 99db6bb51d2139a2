/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From among the young to the socket itself: the records of connections that a walk over the sockets finds. */
#pragma once
#include "histogram.h"
#include "kernel.h"
#include "meeting.h"

/* Has a hook decided on it? A record may move meanwhile, so it is looked for twice. */
static __always_inline bool has_record(struct sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);

	return place_record(cookie) || bpf_sk_storage_get(&malla_connections, sk, 0, 0) ||
	       bpf_map_lookup_elem(&malla_young, &cookie) || bpf_sk_storage_get(&malla_connections, sk, 0, 0);
}

/* The record that is still among the young; NULL: there is none. */
static __always_inline struct malla_connection *young_record(struct sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct malla_connection *record = place_record(cookie);

	return record ? record : bpf_map_lookup_elem(&malla_young, &cookie);
}

/* A record that is about to leave its place waits for the accepting side by itself. */
static __always_inline void settle_meeting(struct malla_connection *record, __u64 cookie)
{
	__u32 former = record->meeting, number = former & ~MALLA_MEETING_SHARED;
	const struct malla_meeting *meeting = meeting_numbered(number - 1);
	struct malla_tuple tuple;

	record->meeting = meeting_taken(former);
	if (!meeting || meeting->cookie != cookie)
		return;
	record->meeting = 0;
	tuple = meeting->tuple;
	bpf_map_update_elem(&malla_handoffs, &tuple, record, BPF_ANY);
	if (meeting_end(number, cookie))
		return;
	/* The accepting side was quicker. */
	bpf_map_delete_elem(&malla_handoffs, &tuple);
	record->meeting = meeting_taken(former);
}

/*
 * The record that is kept with a TCP socket, from now on if need be; NULL: no hook decided on it, or there is no memory,
 * and it stays among the young. To be called with the socket locked, as iter/tcp does: then no other program counts
 * meanwhile, nor ends it.
 */
static __always_inline struct malla_connection *settled(struct sock *sk)
{
	struct malla_connection *record = bpf_sk_storage_get(&malla_connections, sk, 0, 0);
	struct malla_connection *young;
	__u64 cookie;

	if (record)
		return record;
	young = young_record(sk);
	if (!young)
		return 0;
	record = bpf_sk_storage_get(&malla_connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!record)
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	*record = *young;
	record->flags &= ~MALLA_CONNECTION_YOUNG;
	if (record->meeting)
		settle_meeting(record, cookie);
	if (!place_leave(cookie))
		bpf_map_delete_elem(&malla_young, &cookie);
	place_leave(cookie); /* what an earlier connect() may have left */
	if (record->established)
		record_opened(record);
	return record;
}

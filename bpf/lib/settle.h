/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From among the young to the socket itself: the records of connections that a walk over the sockets finds. */
#pragma once
#include "kernel.h"
#include "maps.h"

/* Has a hook decided on it? A record may move meanwhile, so it is looked for twice. */
static __always_inline bool has_record(struct sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);

	return bpf_sk_storage_get(&malla_connections, sk, 0, 0) || bpf_map_lookup_elem(&malla_young, &cookie) ||
	       bpf_sk_storage_get(&malla_connections, sk, 0, 0);
}

/* The record that is still among the young; NULL: there is none. */
static __always_inline struct malla_connection *young_record(struct sock *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);

	return bpf_map_lookup_elem(&malla_young, &cookie);
}

/*
 * The record that is kept with a TCP socket, from now on if need be; NULL: no hook decided on it, or there is no memory,
 * and it stays among the young. To be called with the socket locked, as iter/tcp does: then no other program counts
 * meanwhile, nor ends it.
 */
static __always_inline struct malla_connection *settled(struct sock *sk)
{
	struct malla_connection *record = bpf_sk_storage_get(&malla_connections, sk, 0, 0);
	const struct malla_connection *young;
	__u64 cookie;

	if (record)
		return record;
	cookie = bpf_get_socket_cookie(sk);
	young = bpf_map_lookup_elem(&malla_young, &cookie);
	if (!young)
		return 0;
	record = bpf_sk_storage_get(&malla_connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!record)
		return 0;
	*record = *young;
	bpf_map_delete_elem(&malla_young, &cookie);
	return record;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From the connecting socket to the accepted one: the record waits under the connection's tuple. */
#pragma once
#include "addr.h"
#include "hook.h"
#include "maps.h"
#include "meeting.h"
#include "record.h"
#include "socket.h"

/* Which of a socket's addresses is which of the connecting side's. */
static __always_inline void handoff_ends(struct malla_tuple *tuple, bool accepted, const struct malla_addr *local,
					 const struct malla_addr *remote)
{
	tuple->source = accepted ? *remote : *local;
	tuple->destination = accepted ? *local : *remote;
}

/* The addresses of an IPv6 socket. */
SUBPROGRAM void handoff_ends_ipv6(struct bpf_sock *sk, bool accepted, struct malla_tuple *tuple)
{
	struct malla_addr local = {{sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]}};
	struct malla_addr remote = {{sk->dst_ip6[0], sk->dst_ip6[1], sk->dst_ip6[2], sk->dst_ip6[3]}};

	/* On its way to a v4-mapped address it has no IPv6 local address yet when its SYN leaves, but the IPv4 one is set. */
	if (addr_is_ipv4(&remote)) {
		local = addr_from_ipv4(sk->src_ip4);
		remote = addr_from_ipv4(sk->dst_ip4);
	}
	handoff_ends(tuple, accepted, &local, &remote);
}

/* The tuple as the connecting side sees it; `accepted`: the socket is the other side's. Two namespaces may use the same
 * loopback tuple at the same time. */
static __always_inline void handoff_tuple(struct bpf_sock *sk, __u64 netns, bool accepted, struct malla_tuple *tuple)
{
	__u16 local_port = sk->src_port, remote_port = bpf_ntohs(sk->dst_port);

	if (sk->family == MALLA_AF_INET) {
		struct malla_addr local = addr_from_ipv4(sk->src_ip4), remote = addr_from_ipv4(sk->dst_ip4);

		handoff_ends(tuple, accepted, &local, &remote);
	} else {
		handoff_ends_ipv6(sk, accepted, tuple);
	}
	tuple->source_port = accepted ? remote_port : local_port;
	tuple->destination_port = accepted ? local_port : remote_port;
	tuple->reserved = 0;
	tuple->netns = netns;
}

/* Can the connecting end tell for the accepting one, too? What the proxy accepts is its to read, and on the fast path each
 * end has a lane. */
static __always_inline bool handoff_is_shared(const struct malla_connection *record)
{
	return record->path == MALLA_PATH_DIRECT && !(record->flags & MALLA_CONNECTION_FAST);
}

/* Puts the record where the accepting side finds it: before the SYN leaves. */
static __always_inline void handoff_publish(struct bpf_sock *sk, struct malla_connection *record, __u64 cookie)
{
	struct malla_tuple tuple;

	handoff_tuple(sk, record->netns, false, &tuple);
	record->meeting = place_record(cookie) ? meeting_begin(&tuple, cookie) : 0;
	if (SELDOM(!record->meeting))
		bpf_map_update_elem(&malla_handoffs, &tuple, record, BPF_ANY);
	else if (handoff_is_shared(record))
		record->meeting |= MALLA_MEETING_SHARED;
}

/* A copy of the record for this accepted socket; NULL: no memory. What the proxy accepts is kept with the socket, where it
 * reads it. */
static __always_inline struct malla_connection *handoff_copy(struct bpf_sock *sk, __u64 cookie,
							     const struct malla_config *config,
							     const struct malla_connection *waiting, __u64 netns)
{
	bool is_young = waiting->path != MALLA_PATH_PROXY && config && netns == config->netns;
	struct malla_connection *record = is_young ? record_begun(sk, cookie) : record_made(sk);
	__u8 young;

	if (!record)
		return 0;
	young = record->flags & MALLA_CONNECTION_YOUNG;
	*record = *waiting;
	record->flags = (record->flags & ~MALLA_CONNECTION_YOUNG) | young;
	return record;
}

/* Takes the record that waits for this accepted socket; NULL: there is none, or no memory; or the connecting end tells for
 * both, which it knows from then on. */
static __always_inline struct malla_connection *handoff_take(struct bpf_sock *sk, __u64 netns, __u64 cookie,
							     const struct malla_config *config)
{
	const struct malla_connection *waiting;
	struct malla_connection *record = 0;
	struct malla_tuple tuple;
	__u64 other;

	handoff_tuple(sk, netns, true, &tuple);
	waiting = meeting_record(&tuple, &other);
	if (waiting && waiting->meeting & MALLA_MEETING_SHARED) {
		if (meeting_end(meeting_index(&tuple) + 1, other))
			return 0;
	} else if (waiting) {
		record = handoff_copy(sk, cookie, config, waiting, netns);
		if (record && meeting_end(meeting_index(&tuple) + 1, other))
			return record;
	}
	/* Or a walk has moved it there just now. */
	waiting = bpf_map_lookup_elem(&malla_handoffs, &tuple);
	if (waiting) {
		record = handoff_copy(sk, cookie, config, waiting, netns);
		if (record && !bpf_map_delete_elem(&malla_handoffs, &tuple))
			return record;
	}
	if (!record)
		return 0;
	/* Gone while it was copied, so that the copy may be of two records. */
	bpf_sk_storage_delete(&malla_connections, sk);
	record_forget(cookie);
	return 0;
}

/* Takes back what nobody took: a stranger with the same tuple must not find it later. And finds out whether it was taken. */
static __always_inline void handoff_withdraw(struct bpf_sock *sk, struct malla_connection *record, __u64 cookie)
{
	__u32 meeting = record->meeting;
	struct malla_tuple tuple;

	if (meeting == MALLA_MEETING_TAKEN)
		return;
	if (meeting) {
		record->meeting = meeting_end(meeting & ~MALLA_MEETING_SHARED, cookie) ? 0 : meeting_taken(meeting);
		return;
	}
	handoff_tuple(sk, record->netns, false, &tuple);
	/* Most were taken, and looking takes no lock. */
	if (bpf_map_lookup_elem(&malla_handoffs, &tuple))
		bpf_map_delete_elem(&malla_handoffs, &tuple);
}

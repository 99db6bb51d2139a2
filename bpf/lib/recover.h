/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A packet in the middle of a connection that nobody remembers: its entry was evicted, or it is older than the
 * workload's enrolment. The workload's own sockets say who began it, so that it is judged in the right direction.
 */
#pragma once
#include "deliver.h"
#include "scratch.h"

/* Does the workload listen on the port that this packet comes from? Then the other end began the connection. */
static __always_inline bool recover_is_inbound(struct __sk_buff *skb, const struct scratch *scratch)
{
	const struct packet *packet = &scratch->packet;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__u32 length;
	bool listens;

	if (scratch->interface.namespace < 0)
		return false;
	/* No connection has the other end's port 0: a listener is found or nothing. */
	if (packet->is_ipv4) {
		length = sizeof(tuple.ipv4);
		tuple.ipv4.saddr = packet->destination.word[3];
		tuple.ipv4.daddr = packet->source.word[3];
		tuple.ipv4.dport = bpf_htons(packet->source_port);
	} else {
		length = sizeof(tuple.ipv6);
		__builtin_memcpy(tuple.ipv6.saddr, &packet->destination, sizeof(packet->destination));
		__builtin_memcpy(tuple.ipv6.daddr, &packet->source, sizeof(packet->source));
		tuple.ipv6.dport = bpf_htons(packet->source_port);
	}
	sk = bpf_skc_lookup_tcp(skb, &tuple, length, scratch->interface.namespace, 0);
	if (!sk)
		return false;
	listens = sk->state == BPF_TCP_LISTEN;
	bpf_sk_release(sk);
	return listens;
}

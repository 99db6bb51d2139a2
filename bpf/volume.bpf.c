/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What workloads send and receive by UDP: no hook of a cgroup sees a datagram's size, and the kernel keeps no count of
 * bytes with a UDP socket, so it is taken where every send and receive of the machine ends.
 * Hook: tp_btf/sock_send_length, tp_btf/sock_recv_length, attached while the snapshot in force has UDP in it. Gives no
 * verdicts. Other sockets' calls are left alone after one comparison.
 */
#include "hook.h"

#include "count.h"
#include "kernel.h"
#include <bpf/bpf_tracing.h>

/* The application looked at the datagram and left it in the queue. */
#define PEEKED 2

/* The record of the flow that the socket's last datagram was decided for; NULL: it is no workload's UDP socket. */
static __always_inline struct malla_counter *flow_counter(struct sock *sk, int length)
{
	struct malla_connection *record;

	if (sk->sk_protocol != IPPROTO_UDP || length < 0)
		return 0;
	record = bpf_sk_storage_get(&malla_connections, sk, 0, 0);
	if (!record || record->flags & MALLA_CONNECTION_LISTENER)
		return 0;
	return counter_of(record);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(malla_sent, struct sock *sk, int length, int flags)
{
	struct malla_counter *counter = flow_counter(sk, length);

	if (!counter)
		return 0;
	COUNT(counter, datagrams_sent, 1);
	COUNT(counter, sent, length);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(malla_received, struct sock *sk, int length, int flags)
{
	struct malla_counter *counter = flags & PEEKED ? 0 : flow_counter(sk, length);

	if (!counter)
		return 0;
	COUNT(counter, datagrams_received, 1);
	COUNT(counter, received, length);
	return 0;
}

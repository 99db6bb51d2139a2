/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Bytes that the applications moved over a TCP connection, to the byte. */
#pragma once
#include "count.h"
#include "hook.h"
#include "kernel.h"

struct transfer {
	__u64 sent; /* and acknowledged by the peer's kernel */
	__u64 received;
};

/*
 * What the applications have moved so far. The kernel counts sequence numbers, and SYN and FIN
 * take one each:
 *  - the connecting side's own SYN is in bytes_acked; the accepting side's is not, and neither is
 *    the peer's in bytes_received
 *  - the peer's FIN is in bytes_received from the moment that SOCK_DONE is set
 *  - the own FIN is in bytes_acked once everything queued is acknowledged in a state after it.
 *    In CLOSING and LAST_ACK that moment is the end of the socket, so a live reader need not ask;
 *    at the end it tells a finished connection from a reset one.
 * `state`: at the end of the connection the last one before CLOSE.
 */
static __always_inline struct transfer transfer_of(const struct tcp_sock *tcp, const struct malla_connection *record,
						   __u32 state)
{
	const struct sock *sk = (const struct sock *)tcp;
	struct transfer bytes = {record->sent, record->received};
	__u64 sent, received;

	if (!tcp)
		return bytes;
	sent = tcp->bytes_acked;
	received = tcp->bytes_received;
	if (record->direction == MALLA_OUTBOUND && sent)
		sent--;
	if (sent && (state == BPF_TCP_FIN_WAIT2 ||
		     ((state == BPF_TCP_CLOSING || state == BPF_TCP_LAST_ACK) && tcp->snd_una == tcp->write_seq)))
		sent--;
	if (received && sk->__sk_common.skc_flags & (1ul << SOCK_DONE))
		received--;
	bytes.sent = sent;
	bytes.received = received;
	return bytes;
}

/* Moves `have` up to `total` and answers by how much; 0 when another CPU was there before. */
static __always_inline __u64 advance(__u64 *have, __u64 total)
{
	for (int attempt = 0; attempt < 4; attempt++) {
		__u64 old = *(volatile __u64 *)have;

		if (total <= old)
			return 0;
		if (__sync_val_compare_and_swap(have, old, total) == old)
			return total - old;
	}
	return 0;
}

/* Adds to the counters what is not in them yet. The end of a connection and a reader of live ones
 * may do so at the same time on two CPUs: each byte is added by exactly one of them. */
static __always_inline void transfer_flush(struct malla_connection *record, struct malla_counter *counter,
					   struct transfer bytes)
{
	__u64 sent, received;

	if (!counter)
		return;
	sent = advance(&record->sent, bytes.sent);
	received = advance(&record->received, bytes.received);
	if (sent)
		COUNT(counter, sent, sent);
	if (received)
		COUNT(counter, received, received);
}

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
 * What the applications have moved. The kernel counts sequence numbers, and SYN and FIN take one
 * each:
 *  - the connecting side's SYN is in its bytes_acked; the accepting side's is not, and neither is
 *    the peer's in bytes_received
 *  - the peer's FIN is in bytes_received, and SOCK_DONE says that it came
 *  - the own FIN is in bytes_acked when `fin_acked`
 */
static __always_inline struct transfer transfer_of(const struct malla_connection *record, __u64 acked,
						   bool fin_acked, __u64 received, bool fin_received)
{
	__u64 control = (record->direction == MALLA_OUTBOUND) + fin_acked;

	return (struct transfer){
		.sent = acked > control ? acked - control : 0,
		.received = received > fin_received ? received - fin_received : 0,
	};
}

static __always_inline bool is_done(const struct tcp_sock *tcp)
{
	return ((const struct sock *)tcp)->__sk_common.skc_flags & (1ul << SOCK_DONE);
}

/* The same with what went past TCP; `lane`: of this end, or NULL. */
static __always_inline struct transfer transfer_with(struct transfer tcp, const struct malla_lane *lane)
{
	if (lane) {
		tcp.sent += *(const volatile __u64 *)&lane->sent;
		tcp.received += *(const volatile __u64 *)&lane->received;
	}
	return tcp;
}

static __always_inline void transfer_count(struct malla_counter *counter, __u64 sent, __u64 received)
{
	if (counter && sent)
		COUNT(counter, sent, sent);
	if (counter && received)
		COUNT(counter, received, received);
}

/*
 * At the end of the connection: the last word. Called with the socket locked, so every field is of
 * one moment. `last` is the state before CLOSE: from FIN_WAIT2 the FIN was acknowledged; from
 * CLOSING and LAST_ACK it was if nothing is left unacknowledged, else the connection was reset.
 * Answers what was not counted yet.
 */
static __always_inline struct transfer transfer_finish(const struct tcp_sock *tcp, struct malla_connection *record,
						       struct malla_counter *counter, const struct malla_lane *lane, __u32 last)
{
	bool fin_acked = last == BPF_TCP_FIN_WAIT2 || ((last == BPF_TCP_CLOSING || last == BPF_TCP_LAST_ACK) &&
						       tcp->snd_una == tcp->write_seq);
	struct transfer total = transfer_with(
		transfer_of(record, tcp->bytes_acked, fin_acked, tcp->bytes_received, is_done(tcp)), lane);
	__u64 sent = 0, received = 0;
	__u32 retransmits = 0;

	/* Of a young one nothing was counted yet, and nobody reads it. */
	if (!(record->flags & MALLA_CONNECTION_YOUNG)) {
		sent = __sync_lock_test_and_set(&record->sent, total.sent);
		received = __sync_lock_test_and_set(&record->received, total.received);
		retransmits = __sync_lock_test_and_set(&record->retransmits, tcp->total_retrans);
	} else {
		record->sent = total.sent;
		record->received = total.received;
	}
	/* A live reader cannot have been ahead by more than a FIN; then this takes it back. */
	total.sent -= sent;
	total.received -= received;
	transfer_count(counter, total.sent, total.received);
	if (counter && tcp->total_retrans != retransmits)
		COUNT(counter, retransmits, tcp->total_retrans - retransmits);
	return total;
}

/* Moves `have` up to `total` and answers by how much; 0 if it changed meanwhile. */
static __always_inline __u64 advance(__u64 *have, __u64 old, __u64 total)
{
	if (total > old && __sync_val_compare_and_swap(have, old, total) == old)
		return total - old;
	return 0;
}

/*
 * While the connection lives: adds to the counters what is not in them yet. The socket is not
 * locked, so each count is read before the state that says whether a FIN is in it, and where a
 * FIN may be, one byte is held back until the end. A connection that ends meanwhile changes
 * `sent` and `received` first or is seen as closed, and has the last word either way.
 */
static __always_inline void transfer_catch_up(const struct tcp_sock *tcp, struct malla_connection *record,
					      const struct malla_lane *lane)
{
	const struct sock_common *common = &((const struct sock *)tcp)->__sk_common;
	__u64 old_sent = *(volatile __u64 *)&record->sent;
	__u64 old_received = *(volatile __u64 *)&record->received;
	__u32 old_again = *(volatile __u32 *)&record->retransmits, again;
	__u64 acked, bytes_received, sent, received;
	struct malla_counter *counter;
	struct transfer now;
	bool fin_queued, fin_received;
	__u32 state;

	barrier();
	if (!(record->flags & MALLA_CONNECTION_COUNTED) || *(volatile __u16 *)&record->state == BPF_TCP_CLOSE)
		return;
	acked = tcp->bytes_acked;
	bytes_received = tcp->bytes_received;
	again = tcp->total_retrans;
	barrier();
	fin_received = is_done(tcp);
	state = common->skc_state;
	fin_queued = state != BPF_TCP_ESTABLISHED && state != BPF_TCP_CLOSE_WAIT;
	now = transfer_with(transfer_of(record, acked, fin_queued, bytes_received, fin_received), lane);

	counter = counter_of(record);
	if (!counter)
		return;
	sent = advance(&record->sent, old_sent, now.sent);
	received = advance(&record->received, old_received, now.received);
	transfer_count(counter, sent, received);
	if (counts_for_both(record))
		transfer_count(counter_of_accepted(record), received, sent);
	if (again > old_again &&
	    __sync_val_compare_and_swap(&record->retransmits, old_again, again) == old_again)
		COUNT(counter, retransmits, again - old_again);
}

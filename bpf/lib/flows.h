/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Flows of network namespaces: what was decided on a packet holds for those that follow, for a moment; then it is
 * judged again. So a change reaches open connections without anybody who walks them, and a lost entry costs one
 * judgement.
 */
#pragma once
#include "config.h"
#include "count.h"
#include "glance.h"
#include "histogram.h"
#include "judge.h"

/* How long a decision holds, in ticks of the kernel's timer (from 4 to 10 ms each, on some kernels 1): to read that
 * clock costs one load, any other one a third of what a packet costs here. */
#ifndef FLOW_FRESH_TICKS /* a benchmark may want another */
#define FLOW_FRESH_TICKS 5
#endif

/* The flow of the workload behind this interface; NULL: none, or it was somebody else's, who had the address before. */
static __always_inline struct malla_flow *flow_at(const struct malla_flow_key *key, __u32 interface)
{
	struct malla_flow *flow = bpf_map_lookup_elem(&malla_flows, key);

	return flow && flow->interface == interface ? flow : 0;
}

static __always_inline bool flow_is_fresh(const struct malla_flow *flow)
{
	return bpf_jiffies64() - flow->judged < FLOW_FRESH_TICKS;
}

/* Adds to the counters what is not in them yet of so many bytes. */
SUBPROGRAM void flow_count_to(struct malla_flow *flow, __u64 sent, __u64 received)
{
	struct malla_connection *record = &flow->connection;
	__u64 old_sent = *(volatile __u64 *)&record->sent, old_received = *(volatile __u64 *)&record->received;
	struct malla_counter *counter;

	if (flow->flags & MALLA_FLOW_UNCOUNTED || (sent <= old_sent && received <= old_received))
		return;
	counter = counter_of(record);
	if (!counter)
		return;
	if (sent > old_sent && __sync_val_compare_and_swap(&record->sent, old_sent, sent) == old_sent)
		COUNT(counter, sent, sent - old_sent);
	if (received > old_received &&
	    __sync_val_compare_and_swap(&record->received, old_received, received) == old_received)
		COUNT(counter, received, received - old_received);
}

static __always_inline void flow_count(struct malla_flow *flow)
{
	flow_count_to(flow, *(volatile __u64 *)&flow->sent, *(volatile __u64 *)&flow->received);
}

/* The flow has become a connection. */
SUBPROGRAM void flow_open(struct malla_flow *flow)
{
	struct malla_connection *record = &flow->connection;
	struct malla_counter *counter;

	flow->flags |= MALLA_FLOW_OPEN;
	record->established = bpf_ktime_get_ns();
	record->state = BPF_TCP_ESTABLISHED;
	if (flow->flags & MALLA_FLOW_UNCOUNTED)
		return;
	counter = counter_of(record);
	if (!counter)
		return;
	COUNT(counter, opened, 1);
	if (record->protocol == IPPROTO_TCP && record->direction == MALLA_OUTBOUND)
		time_connect(record);
}

/* The connection is over. Late packets still find the entry, which lives until its place is needed. */
SUBPROGRAM void flow_close(struct malla_flow *flow)
{
	struct malla_counter *counter;

	if (flow->flags & MALLA_FLOW_CLOSED)
		return;
	flow->flags |= MALLA_FLOW_CLOSED;
	flow->connection.state = BPF_TCP_CLOSE;
	flow_count(flow);
	if (!(flow->flags & MALLA_FLOW_OPEN) || flow->flags & MALLA_FLOW_UNCOUNTED)
		return;
	counter = counter_of(&flow->connection);
	if (!counter)
		return;
	COUNT(counter, closed, 1);
	if (flow->connection.direction == MALLA_OUTBOUND)
		time_end(&flow->connection, bpf_ktime_get_ns() - flow->connection.established, 0, false);
}

/*
 * What a TCP packet of the workload tells: sequence numbers count each byte once, however often it is sent. SYN and FIN
 * take a number each. The peer's FIN is noticed where it arrives.
 */
SUBPROGRAM void flow_follow(struct malla_flow *flow, const struct glance *glance)
{
	__u32 next = glance->sequence + glance->payload;
	bool ended = glance->flags & PACKET_FIN;

	if (!(flow->flags & MALLA_FLOW_BASED)) {
		/* A SYN may carry bytes (TCP Fast Open): they come after its own number. */
		flow->sent_next = glance->sequence + !!(glance->flags & PACKET_SYN);
		flow->flags |= MALLA_FLOW_BASED;
	}
	if (glance->flags & PACKET_SYN)
		next++;
	if ((__s32)(next - flow->sent_next) > 0 && !(flow->flags & MALLA_FLOW_ENDED)) {
		flow->sent += next - flow->sent_next;
		flow->sent_next = next;
	}
	if (!(glance->flags & PACKET_ACK))
		return;
	if (!(flow->flags & MALLA_FLOW_ANSWERED)) {
		flow->received_next = glance->acknowledged;
		flow->flags |= MALLA_FLOW_ANSWERED;
	}
	if ((__s32)(glance->acknowledged - flow->received_next) > 0) {
		bool with_end = flow->flags & MALLA_FLOW_PEER_ENDED &&
				(__s32)(glance->acknowledged - flow->peer_end) > 0 &&
				(__s32)(flow->received_next - flow->peer_end) <= 0;

		flow->received += glance->acknowledged - flow->received_next - with_end;
		flow->received_next = glance->acknowledged;
	}
	if (!(flow->flags & MALLA_FLOW_OPEN) && !(glance->flags & (PACKET_SYN | PACKET_RST)))
		flow_open(flow);
	if (ended)
		flow->flags |= MALLA_FLOW_ENDED;
	if (glance->flags & PACKET_RST ||
	    ((flow->flags & (MALLA_FLOW_ENDED | MALLA_FLOW_PEER_ENDED)) == (MALLA_FLOW_ENDED | MALLA_FLOW_PEER_ENDED) &&
	     (__s32)(flow->received_next - flow->peer_end) > 0))
		flow_close(flow);
}

/* What a TCP packet with SYN, FIN or RST to the workload tells. */
static __always_inline void flow_follow_peer(struct malla_flow *flow, const struct glance *glance)
{
	if (glance->flags & PACKET_RST) {
		flow_close(flow);
	} else if (glance->flags & PACKET_SYN) {
		flow->received_next = glance->sequence + 1;
		flow->flags |= MALLA_FLOW_ANSWERED;
	} else if (!(flow->flags & MALLA_FLOW_PEER_ENDED)) {
		flow->peer_end = glance->sequence + glance->payload;
		flow->flags |= MALLA_FLOW_PEER_ENDED;
	}
}

/* Is it an open TCP connection of which nothing but more bytes is expected? */
static __always_inline bool flow_is_ordinary(const struct malla_flow *flow)
{
	const __u32 usual = MALLA_FLOW_BASED | MALLA_FLOW_ANSWERED | MALLA_FLOW_OPEN;
	__u32 flags = *(const volatile __u32 *)&flow->flags;

	return !(flags & ~(usual | MALLA_FLOW_EXEMPT | MALLA_FLOW_UNCOUNTED)) && (flags & usual) == usual;
}

/* The same for a packet in the middle of an ordinary connection, which is nearly every one; false: it takes the long way. */
static __always_inline bool flow_follow_ordinary(struct malla_flow *flow, const struct glance *glance)
{
	__u32 moved;

	if (!flow_is_ordinary(flow) || !glance_is_middle(glance))
		return false;
	moved = glance->sequence + glance->payload - flow->sent_next;
	if ((__s32)moved > 0) {
		flow->sent += moved;
		flow->sent_next += moved;
	}
	moved = glance->acknowledged - flow->received_next;
	if ((__s32)moved > 0) {
		flow->received += moved;
		flow->received_next += moved;
	}
	return true;
}

/* Counts one datagram. Two CPUs may each have one of the flow's. */
static __always_inline void flow_add(__u64 *bytes, const struct glance *glance)
{
	__sync_fetch_and_add(bytes, glance->payload);
}

/* What policy and identity say of the flow now: with a frame of its own, for the stack is short. */
SUBPROGRAM void flow_ask(const struct malla_flow *flow, __u32 generation, struct ruling *ruling)
{
	*ruling = judge_flow(flow, generation);
}

/* May the flow go on? PASSED, and then it is fresh again; or why not. */
static __always_inline struct ruling flow_judge(struct malla_flow *flow)
{
	__u32 generation = generation_now();
	struct ruling ruling = {};

	flow_ask(flow, generation, &ruling);
	flow_count(flow);
	if (ruling.reason != MALLA_REASON_PASSED)
		return ruling;
	flow->connection.rule = ruling.rule;
	flow->connection.generation = generation;
	flow->judged = bpf_jiffies64();
	return ruling;
}

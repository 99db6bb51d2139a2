/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * In front of malla_flows: nearly every packet is one in the middle of a TCP connection that was judged a moment ago, and
 * needs no more than a look at one line of the cache.
 *
 * A front says nothing that its flow would not: it is for the same packets, of the same interface, as long as the flow is
 * fresh by its own judgement, and it goes before anything happens to the flow but more bytes.
 *  - Who takes a flow away, or lets it be more than ordinary, does so first and leaves the front then. Who makes a front
 *    looks at the flow once more when it stands. So one of both takes it away again.
 *  - Another flow moves in only where a judgement has been over for as long again as one holds. Who compares the front
 *    with his packet meanwhile has begun before that, and finds another time of judgement at the end.
 *  - Bytes are the difference of sequence numbers, so a lost write of one packet is made good by the next.
 */
#pragma once
#include "flows.h"

static __always_inline struct malla_front *front_of(const struct malla_flow_key *key)
{
	__u64 addresses = ((__u64)key->local.word[3] << 32 | key->remote.word[3]) * 0x9e3779b97f4a7c15ull;
	__u64 ports = ((__u64)key->local_port << 16 | key->remote_port) * 0xc2b2ae3d27d4eb4full;
	__u32 index = (addresses ^ ports) >> 52;

	_Static_assert(MALLA_FRONTS == 1 << (64 - 52), "the index has as many values as there are fronts");
	return bpf_map_lookup_elem(&malla_fronts, &index);
}

/* When its flow was judged. Read anew each time, for another CPU may be writing it. */
static __always_inline __u64 front_judged(const struct malla_front *front)
{
	return *(const volatile __u64 *)&front->judged;
}

static __always_inline bool front_has(const struct malla_front *front, const struct malla_flow_key *key)
{
	const volatile __u64 *mine = (const volatile __u64 *)&front->key;
	const __u64 *asked = (const __u64 *)key;

	_Static_assert(sizeof(*key) == 5 * sizeof(__u64), "the key is compared by words");
	return mine[4] == asked[4] && mine[3] == asked[3] && mine[1] == asked[1] && mine[2] == asked[2] && mine[0] == asked[0];
}

/* Of this interface, too: one that was left has none. */
static __always_inline bool front_is_of(const struct malla_front *front, const struct malla_flow_key *key, __u32 interface)
{
	return *(const volatile __u32 *)&front->interface == interface && front_has(front, key);
}

/* How far one sequence number is ahead of another; 0: it is not. */
static __always_inline __u32 front_ahead(__u32 next, __u32 of)
{
	__u32 moved = next - of;

	return (__s32)moved > 0 ? moved : 0;
}

/* A packet in the middle of an ordinary connection; false: its flow has to say. */
static __always_inline bool front_follow(const struct glance *glance, __u32 interface)
{
	struct malla_front *front = front_of(&glance->key);
	__u32 next = glance->sequence + glance->payload;
	__u64 judged;

	if (!front)
		return false;
	judged = front_judged(front);
	if (bpf_jiffies64() - judged >= FLOW_FRESH_TICKS || !glance_is_middle(glance) ||
	    !front_is_of(front, &glance->key, interface) || front_judged(front) != judged)
		return false;
	if (front_ahead(next, front->sent_next))
		front->sent_next = next;
	if (front_ahead(glance->acknowledged, front->received_next))
		front->received_next = glance->acknowledged;
	return true;
}

/* Takes over what the front has more than the flow. */
static __always_inline void front_fold(const struct malla_front *front, struct malla_flow *flow)
{
	__u32 old = *(volatile __u32 *)&flow->sent_next, moved = front_ahead(front->sent_next, old);

	if (moved && __sync_val_compare_and_swap(&flow->sent_next, old, old + moved) == old)
		__sync_fetch_and_add(&flow->sent, moved);
	old = *(volatile __u32 *)&flow->received_next;
	moved = front_ahead(front->received_next, old);
	if (moved && __sync_val_compare_and_swap(&flow->received_next, old, old + moved) == old)
		__sync_fetch_and_add(&flow->received, moved);
}

/* Takes the front of a flow away, and brings the flow up to date; NULL: it is gone. */
SUBPROGRAM void front_leave(const struct malla_flow_key *key, __u32 interface, struct malla_flow *flow)
{
	struct malla_front *front = front_of(key);
	__u64 judged;

	if (!front || !front_is_of(front, key, interface))
		return;
	judged = front_judged(front);
	/* Who moves in looks after it. */
	if (judged == MALLA_FRONT_TAKEN)
		return;
	if (bpf_jiffies64() - judged < FLOW_FRESH_TICKS)
		__sync_val_compare_and_swap(&front->judged, judged, bpf_jiffies64() - FLOW_FRESH_TICKS);
	if (flow)
		front_fold(front, flow);
	front->interface = 0;
}

/* Brings the flow up to date that was here before. */
static __always_inline void front_evict(const struct malla_front *front)
{
	struct malla_flow_key key = front->key;
	struct malla_flow *flow = flow_at(&key, front->interface);

	if (flow)
		front_fold(front, flow);
}

/* Puts a front before an ordinary flow of which all is in its entry, where there is room. */
SUBPROGRAM void front_stand(const struct malla_flow_key *key, __u32 interface, struct malla_flow *flow)
{
	struct malla_front *front = front_of(key);
	bool is_same;
	__u64 held;

	if (!front)
		return;
	held = front_judged(front);
	is_same = front_has(front, key);
	if (held == MALLA_FRONT_TAKEN || (!is_same && bpf_jiffies64() - held < 2 * FLOW_FRESH_TICKS) ||
	    __sync_val_compare_and_swap(&front->judged, held, MALLA_FRONT_TAKEN) != held)
		return;
	if (front->interface)
		front_evict(front);
	if (!is_same)
		front->key = *key;
	front->interface = interface;
	front->sent_next = flow->sent_next;
	front->received_next = flow->received_next;
	__sync_lock_test_and_set(&front->judged, flow->judged);
	if (flow_at(key, interface) != flow || !flow_is_ordinary(flow))
		front_leave(key, interface, 0);
}

/* Takes a flow out of malla_flows. */
static __always_inline void flow_forget(const struct malla_flow_key *key, __u32 interface)
{
	bpf_map_delete_elem(&malla_flows, key);
	front_leave(key, interface, 0);
}

/* What the flow and its front have together. The flow's bytes are read before its sequence numbers, which are written first:
 * so this may be behind, but never ahead. */
static __always_inline void front_total(const struct malla_flow_key *key, const struct malla_flow *flow, __u64 *sent,
					__u64 *received)
{
	const struct malla_front *front = front_of(key);
	__u32 sent_next, received_next;

	*sent = *(const volatile __u64 *)&flow->sent;
	*received = *(const volatile __u64 *)&flow->received;
	sent_next = *(const volatile __u32 *)&flow->sent_next;
	received_next = *(const volatile __u32 *)&flow->received_next;
	if (!front || !front_is_of(front, key, flow->interface))
		return;
	*sent += front_ahead(front->sent_next, sent_next);
	*received += front_ahead(front->received_next, received_next);
}

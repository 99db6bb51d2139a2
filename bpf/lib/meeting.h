/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Where the accepting side finds a record that is at its place: it is not copied for that, and no lock is taken. Whoever
 * sets `cookie` back to zero has taken the record, or taken it back; a copy that was made before that is whole.
 */
#pragma once
#include "addr.h"
#include "place.h"

static __always_inline struct malla_meeting *meeting_numbered(__u32 index)
{
	return bpf_map_lookup_elem(&malla_meetings, &index);
}

static __always_inline __u32 meeting_index(const struct malla_tuple *tuple)
{
	return (tuple->source_port ^ tuple->destination_port * 31u) % MALLA_MEETINGS;
}

static __always_inline bool meeting_is_of(const struct malla_meeting *meeting, const struct malla_tuple *tuple)
{
	const struct malla_tuple *its = &meeting->tuple;

	return its->source_port == tuple->source_port && its->destination_port == tuple->destination_port &&
	       its->netns == tuple->netns && addr_equal(&its->source, &tuple->source) &&
	       addr_equal(&its->destination, &tuple->destination);
}

/* The record that waits for the other end of `tuple`, of the socket `cookie`; NULL: none does. */
static __always_inline struct malla_connection *meeting_record(const struct malla_tuple *tuple, __u64 *cookie)
{
	struct malla_meeting *meeting = meeting_numbered(meeting_index(tuple));

	if (!meeting)
		return 0;
	*cookie = *(volatile __u64 *)&meeting->cookie;
	return *cookie && meeting_is_of(meeting, tuple) ? place_record(*cookie) : 0;
}

/* Waits for the other end of `tuple`; answers the number for the record, 0: there is no room. A meeting whose socket has
 * left its place is over. */
static __always_inline __u32 meeting_begin(const struct malla_tuple *tuple, __u64 cookie)
{
	__u32 index = meeting_index(tuple);
	struct malla_meeting *meeting = meeting_numbered(index);
	__u64 held = meeting ? *(volatile __u64 *)&meeting->cookie : 0;

	if (!meeting || (held && (held == MALLA_MEETING_CLAIMED || place_record(held))))
		return 0;
	if (__sync_val_compare_and_swap(&meeting->cookie, held, MALLA_MEETING_CLAIMED) != held)
		return 0;
	meeting->tuple = *tuple;
	__sync_lock_test_and_set(&meeting->cookie, cookie);
	return index + 1;
}

/* What becomes of a record's `meeting` when the accepting side has taken it. */
static __always_inline __u32 meeting_taken(__u32 meeting)
{
	return meeting & MALLA_MEETING_SHARED ? MALLA_MEETING_TAKEN : 0;
}

/* Ends the meeting of this number; false: somebody else did. */
static __always_inline bool meeting_end(__u32 number, __u64 cookie)
{
	struct malla_meeting *meeting = meeting_numbered(number - 1);

	return meeting && meeting->cookie == cookie && __sync_val_compare_and_swap(&meeting->cookie, cookie, 0) == cookie;
}

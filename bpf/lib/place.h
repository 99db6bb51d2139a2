/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The places of young records: no lock, no hash and no allocation. A socket's cookie names two: one of the first few, which
 * connections that follow each other quickly take in turn, so that the CPU has them at hand; and one of all, where the
 * first is taken.
 */
#pragma once
#include "hook.h"
#include "maps.h"
#include <stdbool.h>

#define PLACES_AT_HAND 64

static __always_inline struct malla_place *place_numbered(__u32 index)
{
	return bpf_map_lookup_elem(&malla_places, &index);
}

static __always_inline bool place_is_of(const struct malla_place *place, __u64 cookie)
{
	return place && place->cookie == cookie;
}

/* Where the socket's record is; NULL: at no place. */
static __always_inline struct malla_place *place_of(__u64 cookie)
{
	struct malla_place *place = place_numbered(cookie % PLACES_AT_HAND);

	if (!SELDOM(!place_is_of(place, cookie)))
		return place;
	place = place_numbered(cookie % MALLA_PLACES);
	return place_is_of(place, cookie) ? place : 0;
}

/* The record at the socket's place; NULL: it has none there. */
static __always_inline struct malla_connection *place_record(__u64 cookie)
{
	struct malla_place *place = place_of(cookie);

	return place ? &place->connection : 0;
}

static __always_inline bool place_claim(struct malla_place *place, __u64 cookie)
{
	return place && !place->cookie && !__sync_val_compare_and_swap(&place->cookie, 0, cookie);
}

/* Takes a place for the socket, with whatever is there, or the one that it has; NULL: others have both. One that connects
 * once more may have the second from a connect that failed before its SYN: then the first is the one that counts. */
static __always_inline struct malla_connection *place_take(__u64 cookie)
{
	struct malla_place *place = place_numbered(cookie % PLACES_AT_HAND);

	if (place_is_of(place, cookie) || place_claim(place, cookie))
		return &place->connection;
	place = place_numbered(cookie % MALLA_PLACES);
	return place_is_of(place, cookie) || place_claim(place, cookie) ? &place->connection : 0;
}

static __always_inline bool place_give_up(struct malla_place *place, __u64 cookie)
{
	return place && __sync_val_compare_and_swap(&place->cookie, cookie, 0) == cookie;
}

/* Leaves it; false: it was not there. */
static __always_inline bool place_leave(__u64 cookie)
{
	return place_give_up(place_of(cookie), cookie);
}

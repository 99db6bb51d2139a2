/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The places of young records: no lock, no hash and no allocation, as long as nobody else has the place. */
#pragma once
#include "maps.h"
#include <stdbool.h>

static __always_inline struct malla_place *place_of(__u64 cookie)
{
	__u32 index = cookie % MALLA_PLACES;

	return bpf_map_lookup_elem(&malla_places, &index);
}

/* The record at the socket's place; NULL: it has none there. */
static __always_inline struct malla_connection *place_record(__u64 cookie)
{
	struct malla_place *place = place_of(cookie);

	return place && place->cookie == cookie ? &place->connection : 0;
}

/* Takes the socket's place, with whatever is there; NULL: another one has it. */
static __always_inline struct malla_connection *place_take(__u64 cookie)
{
	struct malla_place *place = place_of(cookie);
	__u64 held = place ? place->cookie : 0;

	if (!place)
		return 0;
	if (held == cookie || (!held && !__sync_val_compare_and_swap(&place->cookie, 0, cookie)))
		return &place->connection;
	return 0;
}

/* Leaves it; false: it was not there. */
static __always_inline bool place_leave(__u64 cookie)
{
	struct malla_place *place = place_of(cookie);

	return place && place->cookie == cookie && __sync_val_compare_and_swap(&place->cookie, cookie, 0) == cookie;
}

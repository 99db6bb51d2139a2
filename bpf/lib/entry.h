/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Entries that the daemon replaces while decisions run. */
#pragma once
#include "maps.h"
#include <stdbool.h>

/*
 * The value of a key; NULL: there is none.
 *
 * The kernel replaces an entry by putting the new one before all others of its bucket and then taking the old one out:
 * who is between both of them just then finds neither. The daemon touches each key at most once between two grace periods.
 * Thus a second look finds the new one.
 */
static __always_inline const void *entry_find(void *map, const void *key)
{
	const void *entry = bpf_map_lookup_elem(map, key);

	return entry ? entry : bpf_map_lookup_elem(map, key);
}

/*
 * Copies the value of a key, which is at `first`; false: there is none.
 *
 * The kernel may give the memory of a replaced or deleted entry to another key at once, so a value is whole only
 * while its key has it. The daemon touches each key at most once between two grace periods. Thus, if the
 * second lookup finds the same memory, that was the key's all the while; if it finds other memory, that will stay
 * the key's until this program ends.
 */
static __always_inline bool entry_copy(void *map, const void *key, const void *first, void *value, __u32 size)
{
	const void *second;

	if (!first)
		return false;
	__builtin_memcpy(value, first, size);
	second = entry_find(map, key);
	if (!second) {
		__builtin_memset(value, 0, size);
		return false;
	}
	if (second != first)
		__builtin_memcpy(value, second, size);
	return true;
}

/* Copies the value of a key; false: there is none, or it is being replaced just now. */
static __always_inline bool entry_read(void *map, const void *key, void *value, __u32 size)
{
	return entry_copy(map, key, bpf_map_lookup_elem(map, key), value, size);
}

/* The same where to find none would let a connection pass, or end one: false only if there is none. */
static __always_inline bool entry_read_surely(void *map, const void *key, void *value, __u32 size)
{
	return entry_copy(map, key, entry_find(map, key), value, size);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Entries that the daemon replaces while decisions run. */
#pragma once
#include "changes.h"
#include "maps.h"
#include <stdbool.h>

/*
 * The kernel replaces an entry of a hash by putting the new one before all others of its bucket and then taking the old one
 * out: who is between both of them just then finds neither. And it may give the memory of a replaced or deleted entry to
 * another key of the same map at once, while somebody still reads it.
 *
 * Where nothing was changed since before the first look (changes.h), neither can have happened. Only a writer of the map
 * puts entries in and out, and only from what is out of the map already is memory given to other keys, again by a writer of
 * that map; every write of these maps, deletes and new keys among them, is between an odd and the next even number. What
 * was found between two readings of one even number was its key's then, and nothing else was ever in its memory meanwhile.
 * So one look is enough, found or not, and the copy is whole.
 *
 * Else one looks carefully, by another rule: the daemon touches each key at most once between two grace periods. Thus a
 * second look finds what the first one has missed. If a second look finds the memory that was copied, that was the key's
 * all the while; if it finds other memory, that will stay the key's until this program ends.
 */

/* The value of a key, looked for carefully; NULL: there is none. */
static __always_inline const void *entry_find_carefully(void *map, const void *key)
{
	const void *entry = bpf_map_lookup_elem(map, key);

	return entry ? entry : bpf_map_lookup_elem(map, key);
}

/* The value of a key; NULL: there is none. To be read where it is, only of maps in which nothing is added before a grace
 * period has passed since something was replaced or deleted. */
static __always_inline const void *entry_find(void *map, const void *key)
{
	__u64 before = changes_now();
	const void *entry = bpf_map_lookup_elem(map, key);

	if (entry || changes_none_since(before))
		return entry;
	return entry_find_carefully(map, key);
}

/* Copies the value of a key, in one look or `carefully`; false: there is none. After one look it is for the caller to ask
 * changes_none_since(), and until then the answer and the copy may be anything. */
static __always_inline bool entry_copy(void *map, const void *key, void *value, __u32 size, bool carefully)
{
	const void *first, *second;

	first = carefully ? entry_find_carefully(map, key) : bpf_map_lookup_elem(map, key);
	if (!first)
		return false;
	__builtin_memcpy(value, first, size);
	if (!carefully)
		return true;
	asm volatile("" ::: "memory");
	second = entry_find_carefully(map, key);
	if (!second) {
		__builtin_memset(value, 0, size);
		return false;
	}
	if (second != first)
		__builtin_memcpy(value, second, size);
	return true;
}

/* Copies the value of a key; false: there is none. */
static __always_inline bool entry_read(void *map, const void *key, void *value, __u32 size)
{
	__u64 before = changes_now();
	bool found = entry_copy(map, key, value, size, false);

	if (changes_none_since(before))
		return found;
	if (found)
		__builtin_memset(value, 0, size);
	return entry_copy(map, key, value, size, true);
}

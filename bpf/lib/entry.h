/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Entries that the daemon replaces while decisions run. */
#pragma once
#include "maps.h"
#include <stdbool.h>

/*
 * Copies the value of a key; false: there is none.
 *
 * The kernel may give the memory of a replaced or deleted entry to another key at once, so a value is whole only
 * while its key has it. The daemon touches each key at most once between two grace periods. Thus, if the
 * second lookup finds the same memory, that was the key's all the while; if it finds other memory, that will stay
 * the key's until this program ends.
 */
static __always_inline bool entry_read(void *map, const void *key, void *value, __u32 size)
{
	const void *first = bpf_map_lookup_elem(map, key);
	const void *second;

	if (!first)
		return false;
	__builtin_memcpy(value, first, size);
	second = bpf_map_lookup_elem(map, key);
	if (!second) {
		__builtin_memset(value, 0, size);
		return false;
	}
	if (second != first)
		__builtin_memcpy(value, second, size);
	return true;
}

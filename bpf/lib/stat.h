/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Counters of the programs themselves. */
#pragma once
#include "maps.h"

static __always_inline void stat_add(__u32 stat)
{
	__u64 *count = bpf_map_lookup_elem(&malla_stats, &stat);
	/* Atomic although per CPU: a packet's program may interrupt a system call's. */
	if (count)
		__sync_fetch_and_add(count, 1);
}

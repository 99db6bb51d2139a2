/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Is what decisions read being changed? */
#pragma once
#include "maps.h"
#include <stdbool.h>

/*
 * malla_changes holds one number, which only grows. The daemon makes it odd before it writes what a decision reads, and even
 * again after it. So as long as it is one and the same even number, none of these is written: malla_config,
 * malla_generation, malla_workloads, malla_interfaces, malla_local, malla_services, malla_slots, malla_maglev, malla_endpoints,
 * malla_policies, malla_blocks, malla_sources. Nothing is said about what programs write, about malla_drains, malla_permits and
 * malla_listeners, and about sockets.
 *
 * What is worked out between `before = changes_now()` and a changes_none_since(before) that answers true is what these maps
 * say, each of them and all together; and it is that still whenever changes_now() answers `before` once more. Else it may be
 * anything: look again as lib/entry.h says. A daemon that died on the way leaves the number odd: then everybody looks
 * carefully, until the next daemon goes on with a higher one. 0 says that no daemon has written anything yet, and is no even
 * number in this sense.
 */

/* What was read before is read before what comes after. x86 does not change the order of reads; elsewhere an atomic with
 * an answer is a barrier in the kernel's compilers. */
static __always_inline void changes_order(void)
{
#ifdef __TARGET_ARCH_x86
	asm volatile("" ::: "memory");
#else
	__u64 barrier = 0;

	barrier = __sync_fetch_and_add(&barrier, 1);
	asm volatile("" ::"r"(barrier) : "memory");
#endif
}

/* The number now: to be read before the maps are. 0: there is none yet. */
static __always_inline __u64 changes_now(void)
{
	__u32 zero = 0;
	const __u64 *number = bpf_map_lookup_elem(&malla_changes, &zero);
	__u64 now = number ? *(const volatile __u64 *)number : 0;

	changes_order();
	return now;
}

/* Is it a number at which nothing is being changed? */
static __always_inline bool changes_are_even(__u64 number)
{
	return number && !(number & 1);
}

/* Was nothing changed since changes_now() answered `before`, and is nothing being changed? */
static __always_inline bool changes_none_since(__u64 before)
{
	changes_order();
	return changes_are_even(before) && changes_now() == before;
}

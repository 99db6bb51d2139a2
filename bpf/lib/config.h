/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The settings, and the generation of the policies in force. */
#pragma once
#include "maps.h"
#include <stdbool.h>

static __always_inline const struct malla_config *config_now(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&malla_config, &zero);
}

/* 0: no snapshot was applied yet. Read once per decision, so that one decision sees one set of policies. */
static __always_inline __u32 generation_now(void)
{
	__u32 index = MALLA_GENERATION_POLICIES;
	const __u32 *generation = bpf_map_lookup_elem(&malla_generation, &index);
	return generation ? *(const volatile __u32 *)generation : 0;
}

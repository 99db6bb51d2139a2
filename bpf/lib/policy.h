/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* May this source connect to a port of this scope? */
#pragma once
#include "maps.h"

/* What was found: a reason (PASSED: allowed) and the rule that made it. */
struct ruling {
	__u32 reason;
	__u32 rule;
};

/*
 * Four entries may speak, exact before wildcard: (source, port), (source, any), (any, port),
 * (any, any).
 *  1 any deny wins, whichever entry has it
 *  2 no (any, any) entry: the scope is not complete in this generation, so nothing may pass
 *  3 then any allow
 *  4 then the default of the scope, which stands in (any, any)
 */
static __always_inline struct ruling policy_rule(__u32 generation, __u32 scope, __u32 source, __u16 port)
{
	struct malla_policy_key key = {.generation = generation, .scope = scope};
	const struct malla_policy *entry;
	__u32 allow = 0;

	for (int probe = 0; probe < 4; probe++) {
		key.source = probe & 2 ? MALLA_IDENTITY_ANY : source;
		key.port = probe & 1 ? 0 : port;
		entry = bpf_map_lookup_elem(&malla_policies, &key);
		if (!entry)
			continue;
		if (entry->deny_rule)
			return (struct ruling){MALLA_REASON_POLICY_DENIED, entry->deny_rule}; /* 1 */
		if (!allow)
			allow = entry->allow_rule;
	}
	if (!entry)
		return (struct ruling){MALLA_REASON_POLICY_MISSING, 0}; /* 2 */
	if (allow)
		return (struct ruling){MALLA_REASON_PASSED, allow}; /* 3 */
	return (struct ruling){entry->default_reason, entry->default_rule}; /* 4 */
}

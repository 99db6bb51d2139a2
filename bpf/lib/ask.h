/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Asks policy on behalf of a decision. */
#pragma once
#include "policy.h"

/* What policy says, which is also noted in `it`; and what it would say if the dry runs of the scope were enforced, which
 * is noted and changes nothing. */
static __always_inline struct ruling ask_policy(struct malla_explanation *it, struct policy_question *asked)
{
	struct ruling ruling = policy_rule(asked);

	it->rule = ruling.rule;
	if (asked->shadow) {
		struct ruling would;

		asked->scope = asked->shadow;
		would = policy_rule(asked);
		it->has_dry_run = 1;
		it->would_rule = would.rule;
		it->would_reason = would.reason;
		it->would_differ = (would.reason == MALLA_REASON_PASSED) != (ruling.reason == MALLA_REASON_PASSED);
	}
	return ruling;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* May this source connect to a port of this scope? */
#pragma once
#include "addr.h"
#include "entry.h"
#include "hook.h"
#include "maps.h"

/* What was found: a reason (PASSED: allowed) and the rule that made it. */
struct ruling {
	__u32 reason;
	__u32 rule;
};

/* Who asks whom. The source's address is looked up only where a scope asks for it. */
struct policy_question {
	__u32 generation;
	__u32 scope;
	__u32 source;
	__u32 source_workload;
	struct malla_addr from; /* of the packet, if has_from: else that of the source's workload counts */
	struct malla_addr to;	/* the endpoint's own, whatever address was asked for */
	__u16 port;		/* the endpoint's */
	__u8 has_from;
	__u8 is_ipv4;  /* what was asked for: tells the family of the workload's address */
	__u32 shadow;  /* answer: the scope that would hold if its dry runs were enforced; 0: none */
};

/* The address that a workload connects from, when it asks for this one; NULL: nobody knows it. What a process of a
 * cgroup binds its socket to does not count: it may take any address of the node. */
static __always_inline const struct malla_addr *workload_addr(__u32 workload, bool is_ipv4)
{
	const struct malla_source *source = entry_find(&malla_sources, &workload);

	if (!source)
		return 0;
	return is_ipv4 ? &source->ipv4 : &source->ipv6;
}

static __always_inline const struct malla_addr *policy_from(const struct policy_question *it)
{
	return it->has_from ? &it->from : workload_addr(it->source_workload, it->is_ipv4);
}

/* The scope that decides for this address in place of `scope`; 0: none does. */
static __always_inline __u32 policy_scope_at(__u32 generation, __u32 scope, const struct malla_addr *addr)
{
	struct malla_block_key key = {
		.prefix = MALLA_BLOCK_PREFIX + 8 * sizeof(*addr),
		.generation = generation,
		.scope = scope,
	};
	const struct malla_block *block;

	if (!addr)
		return 0;
	key.addr = *addr;
	block = bpf_map_lookup_elem(&malla_blocks, &key);
	return block ? block->scope : 0;
}

/* Why an entry denies. */
static __always_inline __u32 policy_denial(const struct malla_policy *entry)
{
	return MALLA_REASON_POLICY_DENIED + entry->denial;
}

/* The question's source address, where it is known; NULL: see policy_question. */
static __always_inline void policy_ask_from(struct policy_question *it, const struct malla_addr *from)
{
	it->has_from = from != 0;
	if (from)
		it->from = *from;
}

/* An answer in one number. */
static __always_inline __u64 policy_answer(__u32 reason, __u32 rule)
{
	return (__u64)rule << 32 | reason;
}

/*
 * What a scope says: see policy_answer. And into `shadow` which scope would hold if its dry runs were enforced.
 *  1 no head: the scope is not complete in this generation, so nothing may pass
 *  2 a scope with rules about addresses names the one that decides: by the destination's, then by the source's
 *  3 the wildcards: those for listed sources and ports where these are listed
 *  4 four entries may speak, exact before wildcard; any deny wins, whichever has it
 *  5 then any allow
 *  6 then the default of the scope, which stands in its head
 * Four probes, one where a scope has a default only; one more for each of: a test of addresses, sources that are listed,
 * ports that are listed.
 */
APART __u64 policy_decide(struct policy_question *it)
{
	const struct malla_policy *head = 0, *entry;
	__u32 any = MALLA_IDENTITY_ANY, allow = 0;
	struct malla_policy_key key = {};
	__u16 listed = 0;

	if (!it)
		return policy_answer(MALLA_REASON_POLICY_MISSING, 0);
	key.generation = it->generation;
	key.scope = it->scope;
	it->shadow = 0;

	for (int step = 0; step < 3; step++) {
		key.source = MALLA_IDENTITY_ANY;
		head = bpf_map_lookup_elem(&malla_policies, &key);
		if (!head)
			return policy_answer(MALLA_REASON_POLICY_MISSING, 0); /* 1 */
		if (!step)
			it->shadow = head->shadow;
		if (head->flags & MALLA_POLICY_BY_DESTINATION)
			key.scope = policy_scope_at(key.generation, key.scope, &it->to); /* 2 */
		else if (head->flags & MALLA_POLICY_BY_SOURCE)
			key.scope = policy_scope_at(key.generation, key.scope, policy_from(it)); /* 2 */
		else
			break;
	}
	if (head->flags & MALLA_POLICY_ALONE)
		return policy_answer(head->default_reason, head->default_rule); /* 6 */
	if (head->flags & MALLA_POLICY_LISTS_SOURCES) {
		key.source = it->source;
		entry = bpf_map_lookup_elem(&malla_policies, &key);
		if (entry && entry->flags & MALLA_POLICY_LISTED)
			any = MALLA_IDENTITY_LISTED; /* 3 */
	}
	if (head->flags & MALLA_POLICY_LISTS_PORTS) {
		key.source = MALLA_IDENTITY_ANY;
		key.port = it->port;
		entry = bpf_map_lookup_elem(&malla_policies, &key);
		if (entry && entry->flags & MALLA_POLICY_LISTED)
			listed = 1; /* 3 */
	}
	for (int probe = 0; probe < 4; probe++) {
		key.source = probe & 2 ? any : it->source;
		key.port = probe & 1 ? 0 : it->port;
		key.listed = probe & 1 ? listed : 0;
		/* The head is at hand already. */
		if (probe == 3 && any == MALLA_IDENTITY_ANY && !listed)
			entry = head;
		else
			entry = bpf_map_lookup_elem(&malla_policies, &key);
		if (!entry)
			continue;
		if (entry->deny_rule)
			return policy_answer(policy_denial(entry), entry->deny_rule); /* 4 */
		if (!allow)
			allow = entry->allow_rule;
	}
	if (allow)
		return policy_answer(MALLA_REASON_PASSED, allow); /* 5 */
	return policy_answer(head->default_reason, head->default_rule); /* 6 */
}

static __always_inline struct ruling policy_rule(struct policy_question *it)
{
	__u64 answer = policy_decide(it);

	return (struct ruling){answer, answer >> 32};
}

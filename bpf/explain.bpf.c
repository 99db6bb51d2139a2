/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The decision without a connection, for `malla explain` and for tests: the hooks' own code on
 * the hooks' own maps.
 * Hook: none; run by BPF_PROG_TEST_RUN on a struct malla_explanation_packet. It is a program on packets, because one
 * for system calls may sleep, and such programs may not use malla_blocks. The cgroup in it must be an enrolled one: the
 * caller finds the enrolled ancestor. Changes nothing.
 */
#include "hook.h"

#include "config.h"
#include "decide.h"
#include "interface.h"
#include "source.h"
#include <stddef.h>

static __always_inline bool listens_as_told(enum listener listener, const struct malla_explanation *it,
					    const struct malla_config *config, void *asked)
{
	return listener == LISTENER_PROXY ? it->proxy_alive : it->dns_alive;
}

/* Answers 0, or 1 when there are no settings to decide by, or no question. */
SEC("tc")
int malla_explain(struct __sk_buff *skb)
{
	const struct malla_config *config = config_now();
	const __u32 offset = offsetof(struct malla_explanation_packet, explanation);
	struct malla_workload source = {};
	struct malla_explanation it;
	bool enrolled;

	if (bpf_skb_load_bytes(skb, offset, &it, sizeof(it)))
		return 1;
	if (!config)
		return 1;
	it.generation = generation_now();
	if (it.interface) {
		struct interface interface;

		interface_read(it.interface, &it.addr, &interface);
		source = interface.source;
		enrolled = interface.is_enrolled;
	} else {
		enrolled = workload_of(it.cgroup, &source);
	}
	decide(&it, enrolled ? &source : 0, 0, config, listens_as_told, 0);
	return bpf_skb_store_bytes(skb, offset, &it, sizeof(it), 0) ? 1 : 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What comes in to the node's ports: keeps from workloads what no hook decided on and policy does not allow. Refused TCP
 * is answered with a reset by the kernel, refused UDP with "port unreachable".
 * Hook: sk_lookup (struct bpf_sk_lookup), on the node's network namespace. It runs when the kernel looks for a listener,
 * so once for each new connection and never for the packets of one that is established.
 * Fails closed for the ports of workloads, open for all others.
 */
#include "hook.h"

#include "config.h"
#include "count.h"
#include "event.h"
#include "inbound.h"
#include "rehearse.h"
#include "stat.h"

SEC("sk_lookup")
int malla_inbound(struct bpf_sk_lookup *ctx)
{
	const struct malla_config *config = config_now();
	struct malla_explanation it = {};
	struct inbound flow;

	if (!config)
		return SK_PASS; /* an array's element is always there; the verifier wants to hear it */
	inbound_read(ctx, &flow);
	if (!inbound_is_refused(&flow, config, &it)) {
		tell_rehearsed(&it);
		return SK_PASS;
	}
	tell_rehearsed(&it);
	stat_add(MALLA_STAT_DECISIONS);
	count_refused(&it, MALLA_INBOUND);
	event_refused_packet(&it);
	return SK_DROP;
}

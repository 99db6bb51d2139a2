/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * bind(): keeps the ports of the node's own listeners from workloads.
 * Hook: cgroup/bind4, cgroup/bind6 (struct bpf_sock_addr). Fails closed for those ports, open for
 * all others.
 */
#include "hook.h"

#include "config.h"
#include "decide.h"
#include "refuse.h"
#include "request.h"
#include "source.h"

static __always_inline int on_bind(struct bpf_sock_addr *ctx, bool is_ipv4)
{
	const struct malla_config *config = config_now();
	struct malla_explanation it;
	struct malla_workload source = {};
	__u64 enrolled;

	if (!config || !is_reserved_port(bpf_ntohs(ctx->user_port), config))
		return PROCEED;
	enrolled = current_workload(&source);
	if (enrolled && source.flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE))
		return PROCEED;
	request_read(ctx, is_ipv4, &it);
	if (enrolled) {
		it.cgroup = enrolled;
		it.source = source.identity;
		it.source_workload = source.workload;
	}
	deny(&it, MALLA_REASON_RESERVED_PORT);
	return refuse(ctx, &it);
}

SEC("cgroup/bind4")
int malla_bind4(struct bpf_sock_addr *ctx)
{
	return on_bind(ctx, true);
}

SEC("cgroup/bind6")
int malla_bind6(struct bpf_sock_addr *ctx)
{
	return on_bind(ctx, false);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * socket(): keeps workloads from sockets that go past the other hooks. What connects and sends by TCP and UDP is
 * judged there; a raw socket is not, and neither are other protocols, which no endpoint of the mesh speaks.
 * Hook: cgroup/sock_create (struct bpf_sock), for AF_INET and AF_INET6. Fails closed for what it refuses.
 */
#include "hook.h"

#include "config.h"
#include "decide.h"
#include "refuse.h"
#include "source.h"

#define STREAM 1
#define DATAGRAM 2
#define IPPROTO_ICMPV6 58 /* linux/in6.h has it, with a struct that is another one here */

/* What the other hooks judge, and ping sockets, which reach nobody's ports. */
static __always_inline bool is_judged(struct bpf_sock *ctx)
{
	__u32 protocol = ctx->protocol;

	if (ctx->type == STREAM)
		return protocol == IPPROTO_TCP;
	return ctx->type == DATAGRAM &&
	       (protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6);
}

SEC("cgroup/sock_create")
int malla_socket(struct bpf_sock *ctx)
{
	struct malla_explanation it = {};
	struct malla_workload source = {};
	__u64 enrolled;

	if (is_judged(ctx))
		return PROCEED;
	enrolled = current_workload(&source);
	if (enrolled && source.flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE))
		return PROCEED;
	it.cgroup = enrolled ? enrolled : bpf_get_current_cgroup_id();
	it.protocol = ctx->protocol;
	it.source = source.identity;
	it.source_workload = source.workload;
	deny(&it, MALLA_REASON_SOCKET_KIND);
	return refuse(ctx, &it);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * connect(): decides where a workload's connection may go, and sends it there.
 * Hook: cgroup/connect4, cgroup/connect6 (struct bpf_sock_addr), on the mesh's cgroups; TCP, and
 * UDP sockets that connect. A v4-mapped address comes through connect6.
 * Fails closed: what cannot be decided or recorded is refused; the proxy's absence is the
 * service's fail mode.
 */
#include "hook.h"

#include "affinity.h"
#include "config.h"
#include "decide.h"
#include "listener.h"
#include "record.h"
#include "rehearse.h"
#include "remember.h"
#include "refuse.h"
#include "request.h"
#include "source.h"
#include "stat.h"

/*
 * Is it a refusal of no interest? The C library's resolver connects a UDP socket to each address
 * that it found for a name and a TCP port, only to learn which source address it would get and to
 * sort by that (RFC 6724). Nothing is sent, and nobody asked for the service over UDP: counted,
 * every lookup of a name would look like two refusals. What is sent over UDP is judged by sendmsg.
 */
static __always_inline bool is_probe(const struct malla_explanation *it)
{
	struct malla_service service;

	if (it->protocol != IPPROTO_UDP || it->reason != MALLA_REASON_NO_SUCH_PORT)
		return false;
	return service_at(IPPROTO_TCP, &it->addr, it->port, &service) && !(service.flags & MALLA_SERVICE_NO_PORT);
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, bool is_ipv4)
{
	const struct malla_config *config = config_now();
	struct malla_explanation it;
	struct malla_workload source = {};
	struct question asked = {.cgroup = bpf_get_current_cgroup_id(), .kind = is_ipv4 ? QUESTION_IPV4 : QUESTION_IPV6};
	__u64 changes = changes_now(), enrolled;
	struct malla_addr addr;
	__u16 port;

	if (!config)
		return REFUSE; /* an array's element is always there; the verifier wants to hear it */
	asked.addr = asked_addr(ctx, is_ipv4);
	asked.port = bpf_ntohs(ctx->user_port);
	if (ctx->protocol == IPPROTO_TCP && (is_ipv4 ? remember_again_ipv4(ctx, &asked, config->netns, changes)
						     : remember_again_ipv6(ctx, &asked, config->netns, changes))) {
		stat_add(MALLA_STAT_DECISIONS);
		return PROCEED;
	}
	enrolled = current_workload(&source);
	if (enrolled && source.flags & (MALLA_WORKLOAD_EXEMPT | MALLA_WORKLOAD_PROBE))
		return PROCEED;
	stat_add(MALLA_STAT_DECISIONS);
	request_read(ctx, is_ipv4, &it);
	if (enrolled)
		it.cgroup = enrolled;
	if (enrolled && source.flags & MALLA_WORKLOAD_NAMESPACE)
		it.seen = MALLA_SEEN_IN_NAMESPACE;
	if (!is_ipv4)
		it.ipv6_only = is_ipv6_only(ctx);

	decide(&it, enrolled ? &source : 0, 0, config, listens_now, ctx);
	if (it.would_differ)
		tell_rehearsed(&it);
	/* Outside of the mesh a record serves the counters only, and UDP has none. */
	if (it.path == MALLA_PATH_PASS && it.protocol != IPPROTO_TCP)
		return PROCEED;
	if (it.path != MALLA_PATH_DENY && !record_decision(ctx, &it, config) && it.path != MALLA_PATH_PASS)
		deny(&it, MALLA_REASON_KERNEL_STATE);
	if (it.path == MALLA_PATH_DENY)
		return is_probe(&it) ? refuse_silently(&it) : refuse(ctx, &it);
	remember(&asked, &it, config->netns, changes);
	affinity_keep(&it);
	destination(&it, config, &addr, &port);
	request_rewrite(ctx, is_ipv4, &addr, port);
	return PROCEED;
}

SEC("cgroup/connect4")
int malla_connect4(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, true);
}

SEC("cgroup/connect6")
int malla_connect6(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, false);
}

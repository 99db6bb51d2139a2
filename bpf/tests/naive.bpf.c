/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The fast path as it must not be: everything is redirected, whatever is on its way by TCP or waits to be read. */
#include "hook.h"

#include "lane.h"

SEC("sk_msg")
int naive_redirect(struct sk_msg_md *ctx)
{
	struct malla_tuple peer = {
		.source = addr_from_ipv4(ctx->remote_ip4),
		.destination = addr_from_ipv4(ctx->local_ip4),
		.source_port = bpf_ntohl(ctx->remote_port),
		.destination_port = ctx->local_port,
		.netns = bpf_get_netns_cookie(ctx),
	};
	struct malla_lane *lane = bpf_map_lookup_elem(&malla_lanes, &peer);

	if (lane && bpf_msg_redirect_hash(ctx, &malla_fast, &peer, BPF_F_INGRESS) == SK_PASS)
		lane->sent += ctx->size;
	return SK_PASS;
}

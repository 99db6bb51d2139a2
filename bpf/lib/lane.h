/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The two ends of a connection on the fast path, and what went that way. */
#pragma once
#include "addr.h"
#include "hook.h"
#include "kernel.h"
#include "maps.h"
#include "socket.h"

/* The key of the other end. */
static __always_inline struct malla_tuple lane_peer(const struct malla_tuple *own)
{
	return (struct malla_tuple){
		.source = own->destination,
		.destination = own->source,
		.source_port = own->destination_port,
		.destination_port = own->source_port,
		.netns = own->netns,
	};
}

/* The key of an end, from its socket. */
static __always_inline struct malla_tuple lane_of(const struct sock_common *common)
{
	return (struct malla_tuple){
		.source = socket_addr(common, common->skc_rcv_saddr, &common->skc_v6_rcv_saddr),
		.destination = socket_addr(common, common->skc_daddr, &common->skc_v6_daddr),
		.source_port = common->skc_num,
		.destination_port = bpf_ntohs(common->skc_dport),
		.netns = common->skc_net.net->net_cookie,
	};
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The address that the application asked for, shown where the kernel would show the one it got. */
#pragma once
#include "record.h"
#include "request.h"

/* Replaces the address in `ctx` if it is where the socket was sent instead. A record may be older
 * than what the socket does now; the comparison tells. */
static __always_inline void show_original(struct bpf_sock_addr *ctx, const struct malla_connection *record, bool is_ipv4)
{
	struct malla_addr addr = asked_addr(ctx, is_ipv4);

	if (record && record->direction == MALLA_OUTBOUND &&
	    record->destination_port == bpf_ntohs(ctx->user_port) &&
	    addr_equal(&record->destination, &addr))
		request_rewrite(ctx, is_ipv4, &record->original, record->original_port);
}

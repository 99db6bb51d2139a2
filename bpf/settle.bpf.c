/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Moves the records of connections that live from among the young to their sockets, where malla_live finds them, and takes
 * out what no socket is left for.
 * Hook: iter/tcp of the node's network namespace (malla_settle), then iter/bpf_map_elem over malla_young (malla_sweep) and
 * malla_places (malla_vacate).
 * Give no verdicts and no output.
 */
#include "hook.h"

#include "config.h"
#include "settle.h"

/* A record that a walk has found no socket for is that of a connect that failed before its SYN. One that goes on just now
 * is younger than this. */
#define SWEEP_AGE_NS 60000000000ull

SEC("iter/tcp")
int malla_settle(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct sock *sk;

	if (!common || common->skc_state == BPF_TCP_TIME_WAIT || common->skc_state == BPF_TCP_NEW_SYN_RECV)
		return 0;
	sk = (struct sock *)bpf_skc_to_tcp_sock(common);
	if (sk)
		settled(sk);
	return 0;
}

SEC("iter/bpf_map_elem")
int malla_sweep(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct malla_connection *record = ctx->value;
	const struct malla_config *config = config_now();
	const __u64 *key = ctx->key;
	__u64 cookie;

	if (!record || !key || !config || record->netns != config->netns ||
	    record->opened + SWEEP_AGE_NS > bpf_ktime_get_ns())
		return 0;
	cookie = *key;
	bpf_map_delete_elem(&malla_young, &cookie);
	return 0;
}

SEC("iter/bpf_map_elem")
int malla_vacate(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct malla_place *place = ctx->value;
	const struct malla_config *config = config_now();
	const __u32 *index = ctx->key;
	__u64 cookie;

	if (!place || !index || !config)
		return 0;
	cookie = place->cookie;
	/* What was accepted names the other end, and always ends. */
	if (!cookie || place->connection.cookie != cookie || place->connection.netns != config->netns ||
	    place->connection.opened + SWEEP_AGE_NS > bpf_ktime_get_ns())
		return 0;
	place_give_up(place_numbered(*index), cookie);
	return 0;
}

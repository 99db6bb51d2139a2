/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What connect() has decided is remembered: who asks for the same again, while nothing has changed that decisions depend on,
 * gets the same answer at the price of a lookup. What asks for more than the maps is not: the proxy and the resolver,
 * who may be away, balancing by what goes on, and dry runs, of which each is told.
 */
#pragma once
#include "changes.h"
#include "config.h"
#include "record.h"
#include "request.h"

/* Each cgroup has a set, which it may share with others, so that one that asks for everything fills its own only. */
#define REMEMBER_SETS 64
#define REMEMBER_WAYS 16

enum question_kind {
	QUESTION_IPV6 = 0, /* of an IPv6 socket, about an address */
	QUESTION_IPV4 = 1,
	QUESTION_ENDPOINT = 2, /* about an endpoint that was drawn for an IPv4 socket: its number and its service's */
};

/* Who asks, and for what. */
struct question {
	__u64 cgroup; /* of the process itself, whichever above it is the workload's */
	struct malla_addr addr;
	__u16 port;
	__u16 kind; /* enum question_kind */
};

/*
 * A question and its answer. Written by whoever brings `changes` from another number to REMEMBER_CLAIMED, and never again
 * while malla_changes is what it was then: so it is whole for everybody who finds the number of now in it, before and
 * after reading.
 */
struct remembered {
	__u64 changes;
	struct question question;
	__u32 table; /* of the service that is asked for: an endpoint is to be drawn, and asked about */
	__u32 slots; /* of `table`; 0: there is none, and `record` is the answer */
	__u32 reserved;
	struct malla_connection record; /* what those of the connections begin with */
};

#define REMEMBER_CLAIMED 0xffffffffffffffffull

/* Of each object its own: it is not pinned, so that a new version of the programs begins with nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REMEMBER_SETS * REMEMBER_WAYS);
	__type(key, __u32);
	__type(value, struct remembered);
} malla_remembered SEC(".maps");

static __always_inline struct remembered *remembered_at(const struct question *asked)
{
	const __u64 *addr = (const __u64 *)&asked->addr;
	__u64 set = asked->cgroup * 0x9e3779b97f4a7c15ull;
	__u64 way = (addr[0] ^ addr[1] ^ ((__u64)asked->port << 16)) * 0x9e3779b97f4a7c15ull;
	__u32 index = (set >> 58) * REMEMBER_WAYS + (way >> 60);

	return bpf_map_lookup_elem(&malla_remembered, &index);
}

static __always_inline bool is_same_question(const struct question *a, const struct question *b)
{
	return a->cgroup == b->cgroup && addr_equal(&a->addr, &b->addr) && a->port == b->port && a->kind == b->kind;
}

/* The entry of a question if its answer holds at `changes`; NULL: it is not remembered. */
static __always_inline const struct remembered *remembered_of(const struct question *asked, __u64 changes)
{
	const struct remembered *entry = remembered_at(asked);

	if (!entry || *(const volatile __u64 *)&entry->changes != changes)
		return 0;
	changes_order();
	return is_same_question(&entry->question, asked) ? entry : 0;
}

static __always_inline struct question question_about(__u64 cgroup, __u32 service, __u32 endpoint)
{
	return (struct question){.cgroup = cgroup, .addr = {{0, 0, service, endpoint}}, .kind = QUESTION_ENDPOINT};
}

/* Sends a connection where it was sent before, and begins its record; false: it was not, or is not any more. `changes`: of
 * now; `netns`: the cookie of the network namespace whose records are young. */
static __always_inline bool remember_again(struct bpf_sock_addr *ctx, bool is_ipv4, const struct question *asked,
					  __u64 netns, __u64 changes)
{
	const struct remembered *entry;
	struct malla_connection *record;
	struct question about;
	__u32 random[2];
	__u64 cookie;

	if (!asked)
		return false; /* it is there; the verifier wants to hear it */
	entry = remembered_of(asked, changes);
	if (!entry || !changes_are_even(changes) || bpf_get_netns_cookie(ctx) != netns || record_kept(ctx->sk))
		return false;
	if (entry->slots) {
		request_draws(random, bpf_get_prandom_u32());
		about = question_about(asked->cgroup, entry->record.service, service_draw(entry->table, entry->slots, random));
		/* Should what was drawn be torn, the question is none that anybody has asked, or the entry's number is another. */
		entry = remembered_of(&about, changes);
		if (!entry)
			return false;
	}
	cookie = bpf_get_socket_cookie(ctx);
	record = place_take(cookie);
	if (!record)
		return false;
	*record = entry->record;
	record->original = asked->addr;
	record->original_port = asked->port;
	record->opened = bpf_ktime_get_ns();
	changes_order();
	if (SELDOM(*(const volatile __u64 *)&entry->changes != changes)) {
		place_leave(cookie);
		return false;
	}
	barrier(); /* From here on malla_vacate may judge by the rest. */
	record->cookie = cookie;
	if (record->service)
		request_rewrite(ctx, is_ipv4, &record->destination, record->destination_port);
	return true;
}

APART int remember_again_ipv4(struct bpf_sock_addr *ctx, const struct question *asked, __u64 netns, __u64 changes)
{
	return remember_again(ctx, true, asked, netns, changes);
}

APART int remember_again_ipv6(struct bpf_sock_addr *ctx, const struct question *asked, __u64 netns, __u64 changes)
{
	return remember_again(ctx, false, asked, netns, changes);
}

/* Does the answer depend on nothing but the question and what malla_changes speaks of? */
static __always_inline bool may_be_remembered(const struct malla_explanation *it)
{
	const __u32 balanced = MALLA_SERVICE_PROXY | MALLA_SERVICE_BALANCED | MALLA_SERVICE_LEAST;

	if (it->protocol != IPPROTO_TCP || it->seen != MALLA_SEEN_AT_SOCKET || it->has_dry_run || it->port == DECIDE_DNS_PORT)
		return false;
	if (it->service)
		return it->path == MALLA_PATH_DIRECT && it->is_ipv4 && !it->affinity && !(it->balance & balanced);
	return it->path == MALLA_PATH_PASS || it->path == MALLA_PATH_DIRECT;
}

/* The entry of a question, to be written and then given back with `changes`; NULL: somebody else has it. */
static __always_inline struct remembered *remember_claim(const struct question *asked, __u64 changes)
{
	struct remembered *entry = remembered_at(asked);
	__u64 held = entry ? *(volatile __u64 *)&entry->changes : 0;

	if (!entry || held == changes || held == REMEMBER_CLAIMED ||
	    __sync_val_compare_and_swap(&entry->changes, held, REMEMBER_CLAIMED) != held)
		return 0;
	entry->question = *asked;
	entry->table = 0;
	entry->slots = 0;
	__builtin_memset(&entry->record, 0, sizeof(entry->record));
	return entry;
}

static __always_inline void remember_release(struct remembered *entry, __u64 changes)
{
	__sync_lock_test_and_set(&entry->changes, changes);
}

/* Keeps which table an endpoint was drawn from. */
static __always_inline void remember_service(const struct question *asked, const struct malla_explanation *it, __u64 changes)
{
	struct remembered *entry = remember_claim(asked, changes);

	if (!entry)
		return;
	entry->table = it->table;
	entry->slots = it->slots;
	entry->record.service = it->service;
	remember_release(entry, changes);
}

/* Keeps an answer that was worked out since malla_changes was `changes`; false: it may not be kept, or somebody else's is there. */
APART int remember(const struct question *asked, const struct malla_explanation *it, __u64 netns, __u64 changes)
{
	struct question about;
	struct remembered *entry;

	if (!asked || !it)
		return false; /* they are there; the verifier wants to hear it */
	if (!may_be_remembered(it) || !changes_none_since(changes))
		return false;
	about = *asked;
	/* Of one slot nothing is drawn. */
	if (it->service && it->slots > 1) {
		remember_service(asked, it, changes);
		about = question_about(asked->cgroup, it->service, it->picked);
	}
	entry = remember_claim(&about, changes);
	if (!entry)
		return false;
	record_write(&entry->record, it);
	entry->record.flags = MALLA_CONNECTION_YOUNG | (it->balance & MALLA_SERVICE_FAST ? MALLA_CONNECTION_FAST : 0);
	entry->record.destination = it->service ? it->endpoint.addr : it->addr;
	entry->record.destination_port = it->service ? it->endpoint.port : it->port;
	entry->record.netns = netns;
	remember_release(entry, changes);
	return true;
}

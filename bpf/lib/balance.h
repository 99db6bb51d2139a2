/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The choice of an endpoint where more than a draw by weight was asked for. Reads maps and changes nothing, so that
 * `malla explain` and tests run it too. What it chooses is judged by policy like any other endpoint.
 */
#pragma once
#include "addr.h"
#include "maps.h"

/* An endpoint that was drawn. */
struct draw {
	__u32 endpoint; /* 0: the table is not there */
	__u32 weight;
};

/* A number without a pattern from another (SplitMix64's finish). */
static __always_inline __u64 balance_mix(__u64 number)
{
	number += 0x9e3779b97f4a7c15ull;
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ number >> 27) * 0x94d049bb133111ebull;
	return number ^ number >> 31;
}

/* A slot of an alias table; NULL: the table is not there. */
static __always_inline const struct malla_slot *slot_at(__u32 table, __u32 index)
{
	struct malla_slot_key key = {.table = table, .piece = index / MALLA_SLOT_PIECE};
	const struct malla_slots *piece = bpf_map_lookup_elem(&malla_slots, &key);

	return piece ? &piece->slot[index % MALLA_SLOT_PIECE] : 0;
}

/* By the alias table: `slot` is an index, `alias` a number that chooses between its two. */
static __always_inline struct draw balance_slot(__u32 table, __u32 index, __u32 alias)
{
	const struct malla_slot *slot = slot_at(table, index);

	if (!slot)
		return (struct draw){};
	if (slot->threshold == 0xffffffff || alias < slot->threshold)
		return (struct draw){slot->endpoint, slot->weight};
	return (struct draw){slot->alias, slot->alias_weight};
}

static __always_inline __u32 balance_active(__u32 endpoint)
{
	const struct malla_active *active = bpf_map_lookup_elem(&malla_active, &endpoint);

	return active ? active->connections : 0;
}

/*
 * The less busy of two. Equally busy, the first one drawn stays, so that an idle service is balanced by weight. When
 * the second draw is the first one again, the own endpoints of its slot and of the next are looked at: each slot has
 * another one, so one of them is not the first.
 */
static __always_inline __u32 balance_least(const struct malla_service *service, const struct malla_explanation *it)
{
	__u64 more = balance_mix((__u64)it->random[0] << 32 | it->random[1]);
	__u32 index = ((__u64)it->random[0] * service->slots) >> 32;
	__u32 other = ((more >> 32) * service->slots) >> 32;
	struct draw first = balance_slot(service->table, index, it->random[1]);
	struct draw second = balance_slot(service->table, other, (__u32)more);
	__u64 load, other_load;

	if (second.endpoint == first.endpoint)
		second = balance_slot(service->table, other + 1 < service->slots ? other + 1 : 0, 0);
	if (second.endpoint == first.endpoint)
		second = balance_slot(service->table, other, 0);
	if (!second.endpoint || second.endpoint == first.endpoint)
		return first.endpoint;
	load = (__u64)balance_active(first.endpoint) * second.weight;
	other_load = (__u64)balance_active(second.endpoint) * first.weight;
	return other_load < load ? second.endpoint : first.endpoint;
}

/* By a hash of who connects. */
static __always_inline __u32 balance_maglev(const struct malla_service *service, const struct malla_explanation *it)
{
	__u64 who = service->flags & MALLA_SERVICE_BY_SOCKET ? it->cookie : it->source_workload;
	__u32 hash = balance_mix(who ^ (__u64)service->service << 32) >> 32;
	__u32 slot = ((__u64)hash * service->maglev) >> 32;
	struct malla_maglev_key key = {.table = service->table, .piece = slot / MALLA_MAGLEV_PIECE};
	const struct malla_maglev *piece = bpf_map_lookup_elem(&malla_maglev, &key);
	__u32 place = slot % MALLA_MAGLEV_PIECE;

	/* The compiler knows that it is less and leaves the question out; the verifier does not know. */
	asm volatile("" : "+r"(place));
	return piece && place < MALLA_MAGLEV_PIECE ? piece->endpoint[place] : 0;
}

static __always_inline void affinity_key(const struct malla_explanation *it, struct malla_affinity_key *key)
{
	*key = (struct malla_affinity_key){
		.service = it->service,
		.source_workload = it->source_workload,
		.port = it->port,
		.protocol = it->protocol,
		.is_ipv4 = addr_is_ipv4(&it->addr),
	};
}

/* The endpoint that the client had last, if that is not too long ago and it still belongs to the service; else 0. */
static __always_inline __u32 balance_kept(const struct malla_service *service, const struct malla_explanation *it)
{
	struct malla_slot_key key_of_members = {.table = service->table};
	const struct malla_members *members;
	struct malla_affinity_key key;
	const struct malla_affinity *kept;
	__u32 endpoint;

	affinity_key(it, &key);
	kept = bpf_map_lookup_elem(&malla_affinity, &key);
	if (!kept || kept->until < bpf_ktime_get_ns())
		return 0;
	endpoint = kept->endpoint;
	key_of_members.piece = MALLA_SLOT_MEMBERS | endpoint / (32 * MALLA_SLOT_MEMBER_WORDS);
	members = bpf_map_lookup_elem(&malla_slots, &key_of_members);
	if (!members)
		return 0;
	return members->word[endpoint / 32 % MALLA_SLOT_MEMBER_WORDS] >> endpoint % 32 & 1 ? endpoint : 0;
}

/*
 * The number of the endpoint for a connection; 0: the service has none that is ready. A function of its own, so that
 * services without any of this pay one look at a flag, and programs do not grow by it.
 */
__noinline __u32 balance_choose(const struct malla_service *service, const struct malla_explanation *it)
{
	__u32 kept;

	/* The verifier looks at this function by itself, and wants to hear it. */
	if (!service || !it || !service->slots)
		return 0;
	kept = service->affinity ? balance_kept(service, it) : 0;
	if (kept)
		return kept;
	if (service->maglev)
		return balance_maglev(service, it);
	if (service->flags & MALLA_SERVICE_LEAST)
		return balance_least(service, it);
	return balance_slot(service->table, ((__u64)it->random[0] * service->slots) >> 32, it->random[1]).endpoint;
}

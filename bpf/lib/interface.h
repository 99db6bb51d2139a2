/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Who is behind an interface: the workload in the network namespace at the other end of its veth pair. */
#pragma once
#include "addr.h"
#include "entry.h"
#include "maps.h"
#include <stdbool.h>

/* A copy, because the map's entry may be replaced while a packet is judged: by the rule of entry_find. */
struct interface {
	struct malla_workload source;
	__u64 netns;
	__s32 namespace; /* the number of the workload's network namespace; -1: unknown */
	__u8 mac[6];
	bool is_enrolled;
	bool is_bridged;
	bool is_hooked; /* the workload's cgroup is known */
	bool is_own; /* the packet's address is one of the workload's */
};

/* Reads what is known of an interface, and whether `addr` is an address of the workload behind it. Of an interface
 * that is not enrolled every address counts as its own: its connections are refused for that. */
static __always_inline void interface_read(__u32 index, const struct malla_addr *addr, struct interface *interface)
{
	const struct malla_interface *entry = entry_find(&malla_interfaces, &index);

	__builtin_memset(interface, 0, sizeof(*interface));
	interface->is_own = !entry;
	if (!entry)
		return;
	interface->is_enrolled = true;
	interface->source.workload = entry->workload;
	interface->source.identity = entry->identity;
	interface->netns = entry->netns;
	interface->namespace = entry->namespace;
	interface->is_hooked = entry->flags & MALLA_INTERFACE_HOOKED;
	interface->is_bridged = entry->flags & MALLA_INTERFACE_BRIDGED;
	__builtin_memcpy(interface->mac, entry->mac, sizeof(interface->mac));
	for (__u32 number = 0; number < MALLA_INTERFACE_ADDRESSES; number++) {
		if (number >= entry->addresses)
			break;
		if (addr_equal(&entry->address[number], addr)) {
			interface->is_own = true;
			break;
		}
	}
}

/* An address of the workload behind an interface, of this family; false: it has none. */
static __always_inline bool interface_addr(__u32 index, bool is_ipv4, struct malla_addr *addr)
{
	const struct malla_interface *entry = entry_find(&malla_interfaces, &index);

	if (!entry)
		return false;
	for (__u32 number = 0; number < MALLA_INTERFACE_ADDRESSES; number++) {
		if (number >= entry->addresses)
			break;
		if (addr_is_ipv4(&entry->address[number]) == is_ipv4) {
			*addr = entry->address[number];
			return true;
		}
	}
	return false;
}

/* fe80::/10 and 169.254.0.0/16, and the unspecified address of somebody who has none yet: for finding neighbours and
 * addresses. None of them leaves the link. */
static __always_inline bool addr_is_link_local(const struct malla_addr *addr)
{
	if (addr_is_ipv4(addr))
		return addr->word[3] == 0 || (addr->word[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
	return (addr->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000) ||
	       (addr->word[0] == 0 && addr->word[1] == 0 && addr->word[2] == 0 && addr->word[3] == 0);
}

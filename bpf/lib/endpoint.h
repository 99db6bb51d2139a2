/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Endpoints of enrolled workloads that a connection asks for by their own address. */
#pragma once
#include "addr.h"
#include "entry.h"
#include "hook.h"
#include "maps.h"

static __always_inline bool addr_is_local(const struct malla_addr *addr)
{
	return addr_is_loopback(addr) || bpf_map_lookup_elem(&malla_local, addr);
}

/* The endpoint of a key that is all there is to look for; false: there is none. */
APART int endpoint_of(const struct malla_endpoint_key *key, struct malla_endpoint *endpoint)
{
	if (!key || !endpoint)
		return false; /* they are there; the verifier wants to hear it */
	return entry_read(&malla_endpoints, key, endpoint, sizeof(*endpoint));
}

/* Has any workload of the node this port? Every address of the node leads to the entry under the all-zero one, see
 * endpoint_at. */
static __always_inline bool endpoint_has_port(__u16 port)
{
	struct malla_endpoint_key any = {.endpoint = MALLA_ENDPOINT_BY_ADDRESS, .port = port};

	return entry_find(&malla_endpoints, &any);
}

/*
 * The endpoint behind an address and port, looked for in one way or the other, see entry_copy.
 *  1 an address that is one workload's alone, and whose entry has its ports
 *  2 the very address and port
 *  3 the same port of this node: workloads share its addresses, and most listen on all of them,
 *    so every address of the node leads to the entry under the all-zero one; so do those that reach many
 *  4 an address that is one workload's alone, whatever the port
 * The daemon writes the entries of 2 before it takes that of 1 away, and deletes them a grace period after it has come.
 */
static __always_inline bool endpoint_search(const struct malla_addr *addr, __u16 port, struct malla_endpoint *endpoint,
					    bool carefully)
{
	struct malla_endpoint_key key = {.endpoint = MALLA_ENDPOINT_BY_ADDRESS, .addr = *addr};
	bool asked = !addr_is_loopback(addr), known = false;

	if (asked && entry_copy(&malla_endpoints, &key, endpoint, sizeof(*endpoint), carefully)) {
		if (endpoint->flags & MALLA_ENDPOINT_WITH_PORTS) {
			if (port && (port == endpoint->ports[0] || port == endpoint->ports[1]))
				endpoint->port = port;
			return true; /* 1 */
		}
		__builtin_memset(endpoint, 0, sizeof(*endpoint));
		known = true;
	}
	key.port = port;
	if (entry_copy(&malla_endpoints, &key, endpoint, sizeof(*endpoint), carefully))
		return true; /* 2 */
	if (addr_is_local(addr) || addr_is_for_many(addr)) {
		key.addr = (struct malla_addr){};
		if (entry_copy(&malla_endpoints, &key, endpoint, sizeof(*endpoint), carefully))
			return true; /* 3 */
		key.addr = *addr;
	}
	if (asked && !known)
		return false; /* 4 was looked for with 1 */
	key.port = 0;
	return entry_copy(&malla_endpoints, &key, endpoint, sizeof(*endpoint), carefully); /* 4 */
}

/* The endpoint behind an address and port, for TCP and UDP alike; false: no workload of the mesh. */
APART int endpoint_at(const struct malla_addr *addr, __u16 port, struct malla_endpoint *endpoint)
{
	__u64 before = changes_now();
	bool found;

	if (!addr || !endpoint)
		return false; /* they are there; the verifier wants to hear it */
	found = endpoint_search(addr, port, endpoint, false);
	if (changes_none_since(before))
		return found;
	__builtin_memset(endpoint, 0, sizeof(*endpoint));
	return endpoint_search(addr, port, endpoint, true);
}

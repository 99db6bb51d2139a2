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

/*
 * The endpoint behind an address and port, for TCP and UDP alike; false: no workload of the mesh.
 *  1 the very address and port
 *  2 the same port of this node: workloads share its addresses, and most listen on all of them,
 *    so every address of the node leads to the entry under the all-zero one; so do those that reach many
 *  3 an address that is one workload's alone, whatever the port
 */
APART int endpoint_at(const struct malla_addr *addr, __u16 port, struct malla_endpoint *endpoint)
{
	struct malla_endpoint_key key = {.endpoint = MALLA_ENDPOINT_BY_ADDRESS, .port = port};

	if (!addr || !endpoint)
		return false; /* they are there; the verifier wants to hear it */
	key.addr = *addr;

	if (entry_read(&malla_endpoints, &key, endpoint, sizeof(*endpoint)))
		return true; /* 1 */
	if (addr_is_local(addr) || addr_is_for_many(addr)) {
		key.addr = (struct malla_addr){};
		if (entry_read(&malla_endpoints, &key, endpoint, sizeof(*endpoint)))
			return true; /* 2 */
		key.addr = *addr;
	}
	key.port = 0;
	return entry_read(&malla_endpoints, &key, endpoint, sizeof(*endpoint)); /* 3 */
}

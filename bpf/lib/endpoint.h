/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Endpoints of enrolled workloads that a connection asks for by their own address. */
#pragma once
#include "addr.h"
#include "maps.h"

static __always_inline bool addr_is_local(const struct malla_addr *addr)
{
	return addr_is_loopback(addr) || bpf_map_lookup_elem(&malla_local, addr);
}

/*
 * The endpoint behind an address and port; NULL: no workload of the mesh.
 *  1 the very address and port
 *  2 the same port of this node: workloads share its addresses, and most listen on all of them,
 *    so every address of the node leads to the entry under the all-zero one
 *  3 an address that is one workload's alone, whatever the port
 */
static __always_inline const struct malla_endpoint *
endpoint_at(__u32 generation, __u8 protocol, const struct malla_addr *addr, __u16 port)
{
	struct malla_endpoint_key key = {
		.generation = generation,
		.endpoint = MALLA_ENDPOINT_BY_ADDRESS,
		.addr = *addr,
		.port = port,
		.protocol = protocol,
	};
	const struct malla_endpoint *endpoint = bpf_map_lookup_elem(&malla_endpoints, &key);

	if (endpoint)
		return endpoint; /* 1 */
	if (addr_is_local(addr)) {
		key.addr = (struct malla_addr){};
		endpoint = bpf_map_lookup_elem(&malla_endpoints, &key);
		if (endpoint)
			return endpoint; /* 2 */
		key.addr = *addr;
	}
	key.port = 0;
	return bpf_map_lookup_elem(&malla_endpoints, &key); /* 3 */
}

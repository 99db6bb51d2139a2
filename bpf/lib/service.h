/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Virtual services: the lookup by address, and the pick of an endpoint. */
#pragma once
#include "maps.h"

/* The service at an address and port, or what stands for its other ports; NULL: none. */
static __always_inline const struct malla_service *service_at(__u32 generation, __u8 protocol,
							      const struct malla_addr *addr, __u16 port)
{
	struct malla_service_key key = {
		.generation = generation,
		.port = port,
		.protocol = protocol,
		.addr = *addr,
	};
	const struct malla_service *service = bpf_map_lookup_elem(&malla_services, &key);

	if (service)
		return service;
	key.port = 0;
	return bpf_map_lookup_elem(&malla_services, &key);
}

/* Draws an endpoint by the service's alias table: `random[0]` the slot, `random[1]` which of its
 * two. NULL: the service has no ready endpoint. */
static __always_inline const struct malla_endpoint *
service_pick(__u32 generation, const struct malla_service *service, const __u32 random[2])
{
	struct malla_slot_key at = {
		.generation = generation,
		.table = service->table,
		/* A product instead of a remainder: no bias worth naming, and no division. */
		.index = ((__u64)random[0] * service->slots) >> 32,
	};
	struct malla_endpoint_key key = {.generation = generation};
	const struct malla_slot *slot;

	if (!service->slots)
		return 0;
	slot = bpf_map_lookup_elem(&malla_slots, &at);
	if (!slot)
		return 0;
	key.endpoint = slot->threshold == 0xffffffff || random[1] < slot->threshold ? slot->endpoint
										     : slot->alias;
	return bpf_map_lookup_elem(&malla_endpoints, &key);
}

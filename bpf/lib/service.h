/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Virtual services: the lookup by address, and the pick of an endpoint. */
#pragma once
#include "balance.h"
#include "endpoint.h"
#include "entry.h"
#include "hook.h"
#include "maps.h"

/* The service at an address and port, or what stands for its other ports, looked for in one way or the other, see
 * entry_copy. */
static __always_inline bool service_search(__u8 protocol, const struct malla_addr *addr, __u16 port,
					   struct malla_service *service, bool carefully)
{
	struct malla_service_key key = {.port = port, .protocol = protocol, .addr = *addr};
	struct malla_service asked;

	if (entry_copy(&malla_services, &key, service, sizeof(*service), carefully))
		return true;
	key.port = 0;
	if (!entry_copy(&malla_services, &key, service, sizeof(*service), carefully))
		return false;
	if (!carefully)
		return true;
	/* The address is a service's. It may have come, with the port, since the port was looked for. */
	key.port = port;
	if (entry_copy(&malla_services, &key, &asked, sizeof(asked), true))
		*service = asked;
	return true;
}

/* The service at an address and port, or what stands for its other ports; false: none. */
APART int service_at(__u8 protocol, const struct malla_addr *addr, __u16 port, struct malla_service *service)
{
	__u64 before = changes_now();
	bool found;

	if (!addr || !service)
		return false; /* they are there; the verifier wants to hear it */
	found = service_search(protocol, addr, port, service, false);
	if (changes_none_since(before))
		return found;
	__builtin_memset(service, 0, sizeof(*service));
	return service_search(protocol, addr, port, service, true);
}

/* The endpoint of this number; false: there is none. */
static __always_inline bool endpoint_numbered(__u32 number, struct malla_endpoint *endpoint)
{
	struct malla_endpoint_key key = {.endpoint = number};

	return number && endpoint_of(&key, endpoint);
}

/* Draws an endpoint by the service's alias table: `random[0]` the slot, `random[1]` which of its
 * two; or by what the service asks for. False: the service has no ready endpoint.
 * A table is never rewritten: it stays as it is until no program has the service's value that names it. */
static __always_inline bool service_pick(const struct malla_service *service, const struct malla_explanation *it,
					 struct malla_endpoint *endpoint)
{
	const struct malla_slot *slot;

	if (!service->slots)
		return false;
	if (service->flags & MALLA_SERVICE_BALANCED)
		return endpoint_numbered(balance_choose(service, it), endpoint);
	/* A product instead of a remainder: no bias worth naming, and no division. */
	slot = slot_at(service->table, ((__u64)it->random[0] * service->slots) >> 32);
	if (!slot)
		return false;
	return endpoint_numbered(slot->threshold == 0xffffffff || it->random[1] < slot->threshold ? slot->endpoint
												   : slot->alias,
				 endpoint);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The decision: where may this connection go? The same code answers in connect, in sendmsg, in
 * `malla explain` and in the tests. It reads maps and changes nothing.
 */
#pragma once
#include "addr.h"
#include "ask.h"
#include "endpoint.h"
#include "service.h"
#include <linux/errno.h>
#include <linux/in.h>
#include <stdbool.h>

#define DECIDE_DNS_PORT 53

/* One of the node's own listeners on loopback. */
enum listener {
	LISTENER_PROXY,
	LISTENER_DNS,
};

/* Is the listener there? Asked only where the answer matters: it costs a socket lookup. */
typedef bool (*listens)(enum listener listener, const struct malla_explanation *it,
			const struct malla_config *config, void *asked);

static __always_inline void deny(struct malla_explanation *it, __u32 reason)
{
	it->path = MALLA_PATH_DENY;
	it->reason = reason;
	/* A packet can be answered with a reset only. */
	it->error = it->seen == MALLA_SEEN_ON_PACKET ? ECONNREFUSED : malla_reason_errno(reason);
}

/* What policy denies is EPERM, whatever its reason: the verifier need not look at each. */
static __always_inline void deny_by_policy(struct malla_explanation *it, __u32 reason)
{
	deny(it, MALLA_REASON_POLICY_DENIED);
	it->reason = reason;
}

static __always_inline bool is_reserved_port(__u16 port, const struct malla_config *config)
{
	return port && (port == config->proxy_port || port == config->dns_port || port == config->metrics_port ||
			port == config->tunnel_port);
}

/* The ports of the node's own listeners, at an address where those would answer. */
static __always_inline bool is_reserved(const struct malla_explanation *it, const struct malla_config *config)
{
	return is_reserved_port(it->port, config) && addr_is_local(&it->addr);
}

/* Can the socket reach the endpoint that was picked for it? */
static __always_inline bool is_reachable(const struct malla_explanation *it)
{
	if (addr_is_ipv4(&it->endpoint.addr))
		return !it->ipv6_only;
	return !it->is_ipv4;
}

/* Can a connection to a service get to its endpoint on this node only by way of the proxy? */
static __always_inline bool needs_proxy(const struct malla_explanation *it)
{
	/* Loopback of the node is not that of a workload's network namespace. */
	if (it->seen != MALLA_SEEN_AT_SOCKET && addr_is_loopback(&it->endpoint.addr))
		return true;
	/* Datagrams are translated on the way. */
	return it->seen == MALLA_SEEN_ON_PACKET && it->protocol == IPPROTO_TCP;
}

/*
 * To an endpoint of another node, which the proxy is asked to take — unless the service's connections to endpoints of this
 * node are the proxy's to balance, too: then it chooses among all, or this draw would skew the shares.
 */
static __always_inline void decide_remote(struct malla_explanation *it, const struct malla_service *service)
{
	bool chooses = service->flags & MALLA_SERVICE_PROXY || (it->service && it->seen == MALLA_SEEN_ON_PACKET);

	it->path = MALLA_PATH_PROXY;
	if (!chooses || it->balance & MALLA_SERVICE_BALANCED)
		it->picked = it->endpoint.endpoint;
	else
		it->picked = 0;
	/* In a network namespace packets have to tell which one: by its address. */
	if (it->seen != MALLA_SEEN_IN_NAMESPACE || !it->picked || !it->service || !is_reachable(it))
		__builtin_memset(&it->endpoint, 0, sizeof(it->endpoint));
}

/*
 * Decides `it`: input as in struct malla_explanation with `generation` set, output into its lower
 * part. `source` is the workload of the connecting process, NULL for none; `from` the source address of the packet, NULL
 * where there is none yet: then that of the workload counts.
 *
 *  1 exempt (the proxy itself): passes every rule
 *  2 whoever is no workload is denied, and so is everybody before the first snapshot
 *  3 the ports of the node's own listeners are not for workloads
 *  4 DNS goes to the node's resolver while that listens; else it is judged like anything else
 *  5 a virtual service: does the port exist, has it an endpoint, which one? With routes it needs none of its own
 *  6 no service: is it an endpoint by its own address? If not, the mesh has no say
 *  7 policy, of the endpoint; or of the service where the proxy will pick the endpoint. Scope 0
 *    there means that the endpoints' policies differ and the proxy decides on the one it picks. What
 *    policies that are only tried out would change is noted, and changes nothing
 *  8 through the proxy; without one the fail mode says whether to refuse or to go direct. An endpoint of another node
 *    has no other way, whatever the fail mode, and its own node judges: here no policy is asked about it
 *  9 direct
 *
 * A TCP packet of a network namespace (MALLA_SEEN_ON_PACKET) is not rewritten: each of its connections to a service
 * goes through the proxy.
 */
static __always_inline void decide(struct malla_explanation *it, const struct malla_workload *source,
				   const struct malla_addr *from, const struct malla_config *config,
				   listens listens, void *asked_of)
{
	struct malla_service service = {};
	bool tcp = it->protocol == IPPROTO_TCP;
	bool is_service, wants_proxy = false, open = false, alive = false, direct;
	__u32 scope;

	it->path = MALLA_PATH_PASS;
	it->reason = MALLA_REASON_PASSED;
	it->error = 0;
	it->service = 0;
	it->rule = 0;
	it->picked = 0;
	it->balance = 0;
	it->affinity = 0;
	it->has_dry_run = 0;
	it->would_differ = 0;
	it->would_rule = 0;
	it->would_reason = MALLA_REASON_PASSED;
	it->table = 0;
	it->slots = 0;
	__builtin_memset(&it->endpoint, 0, sizeof(it->endpoint));
	it->source = source ? source->identity : MALLA_IDENTITY_UNKNOWN;
	it->source_workload = source ? source->workload : 0;

	if (source && source->flags & MALLA_WORKLOAD_EXEMPT)
		return; /* 1 */
	if (!source)
		return deny(it, MALLA_REASON_UNKNOWN_WORKLOAD); /* 2 */
	if (!it->generation)
		return deny(it, MALLA_REASON_NOT_READY); /* 2 */
	if (!tcp && it->protocol != IPPROTO_UDP)
		return; /* no endpoint of the mesh speaks it */
	if (is_reserved(it, config))
		return deny(it, MALLA_REASON_RESERVED_PORT); /* 3 */
	if (it->port == DECIDE_DNS_PORT && config->dns_port && listens(LISTENER_DNS, it, config, asked_of)) {
		it->path = MALLA_PATH_DNS;
		return; /* 4 */
	}

	is_service = service_at(it->protocol, &it->addr, it->port, &service);
	if (is_service) {
		it->service = service.service;
		if (service.flags & MALLA_SERVICE_NO_PORT)
			return deny(it, MALLA_REASON_NO_SUCH_PORT); /* 5 */
		if (service.flags & MALLA_SERVICE_ROUTED && !service.slots) {
			/* The proxy knows where its routes lead, and judges what goes there: there is nothing to pick or ask. */
			if (!tcp || !config->proxy_port || !listens(LISTENER_PROXY, it, config, asked_of))
				return deny(it, MALLA_REASON_PROXY_DOWN); /* 8 */
			it->path = MALLA_PATH_PROXY;
			return; /* 8 */
		}
		if (!service_pick(&service, it, &it->endpoint))
			return deny(it, MALLA_REASON_NO_ENDPOINT); /* 5 */
		it->picked = it->endpoint.endpoint;
		it->balance = service.flags;
		it->table = service.table;
		it->slots = service.slots;
		it->affinity = service.affinity;
		wants_proxy = service.flags & MALLA_SERVICE_PROXY;
		open = service.flags & MALLA_SERVICE_FAIL_OPEN;
	} else if (!endpoint_at(&it->addr, it->port, &it->endpoint)) {
		return; /* 6 */
	}
	if (it->endpoint.flags & MALLA_ENDPOINT_AMBIGUOUS)
		return deny(it, MALLA_REASON_AMBIGUOUS_ENDPOINT); /* 6 */

	if (it->endpoint.flags & MALLA_ENDPOINT_REMOTE) {
		if (!tcp)
			return deny(it, MALLA_REASON_REMOTE_DATAGRAM); /* 8 */
		if (!config->proxy_port || !listens(LISTENER_PROXY, it, config, asked_of))
			return deny(it, MALLA_REASON_PROXY_DOWN); /* 8 */
		return decide_remote(it, &service); /* 8 */
	}
	if (is_service && needs_proxy(it)) {
		if (!tcp)
			return deny(it, MALLA_REASON_NO_ENDPOINT_FAMILY); /* 9 */
		wants_proxy = true;
	}
	/* The proxy relays TCP only: for anything else it counts as away. */
	if (wants_proxy)
		alive = tcp && config->proxy_port && listens(LISTENER_PROXY, it, config, asked_of);
	/* An open fail mode is of no use where the proxy is the only way. */
	direct = !wants_proxy || (!alive && open && !needs_proxy(it));

	scope = direct ? it->endpoint.scope : service.scope;
	if (direct || scope) {
		struct policy_question asked = {
			.generation = it->generation,
			.scope = scope,
			.source = it->source,
			.source_workload = it->source_workload,
			.to = it->endpoint.addr,
			.is_ipv4 = addr_is_ipv4(&it->addr),
			.port = it->endpoint.port ? it->endpoint.port : it->port,
		};
		struct ruling ruling;

		policy_ask_from(&asked, from);
		ruling = ask_policy(it, &asked);
		if (ruling.reason != MALLA_REASON_PASSED)
			return deny_by_policy(it, ruling.reason); /* 7 */
	}

	if (!direct) {
		if (!alive)
			return deny(it, MALLA_REASON_PROXY_DOWN); /* 8 */
		it->path = MALLA_PATH_PROXY;
		/* Asked for nothing, the proxy chooses by what it has to do itself. */
		if (!(it->balance & MALLA_SERVICE_BALANCED))
			it->picked = 0;
		__builtin_memset(&it->endpoint, 0, sizeof(it->endpoint));
		return; /* 8 */
	}
	if (wants_proxy)
		it->reason = MALLA_REASON_PROXY_DOWN_OPEN; /* 8 */
	if (is_service && !is_reachable(it))
		return deny(it, MALLA_REASON_NO_ENDPOINT_FAMILY); /* 9 */
	it->path = MALLA_PATH_DIRECT; /* 9 */
}

/* Where a connection so decided really goes: the address and port that the socket gets. */
static __always_inline void destination(const struct malla_explanation *it,
					const struct malla_config *config, struct malla_addr *addr,
					__u16 *port)
{
	*addr = it->addr;
	*port = it->port;
	/* From a namespace the proxy is reached by packets, which keep the address that was asked for, or have that of the
	 * other node's endpoint which was picked. */
	if (it->path == MALLA_PATH_PROXY && it->seen != MALLA_SEEN_AT_SOCKET) {
		if (it->endpoint.port) {
			*addr = it->endpoint.addr;
			*port = it->endpoint.port;
		}
		return;
	}
	if (it->path == MALLA_PATH_PROXY || it->path == MALLA_PATH_DNS) {
		*addr = addr_loopback_like(&it->addr);
		*port = it->path == MALLA_PATH_PROXY ? config->proxy_port : config->dns_port;
	} else if (it->path == MALLA_PATH_DIRECT && it->service) {
		*addr = it->endpoint.addr;
		*port = it->endpoint.port;
	}
}

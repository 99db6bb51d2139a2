/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces, network namespaces and routing rules of the calling thread's network namespace, by netlink. */
#pragma once
#include <stdint.h>

/* An interface, as far as the mesh looks at it. */
struct linux_interface {
	uint32_t index;
	uint32_t master;  /* the bridge or bond that it is a port of; 0: none */
	int32_t peer_namespace; /* this namespace's number for the one where its other end is; -1: none or this one */
	uint8_t is_veth;
	uint8_t is_bridge;
	uint8_t mac[6];
	char name[16]; /* NUL-terminated */
};

/* All interfaces. Answers how many there are, which may be more than `capacity`: ask again with more room. */
int linux_interfaces(struct linux_interface *out, int capacity);

/* This namespace's number for another one, named by an open descriptor of it; -ENOENT: it has none, so that no
 * interface leads there. */
int linux_namespace_number(int namespace);

/* A number of the calling thread's network namespace that no other one has while it lives. */
int linux_namespace_cookie(uint64_t *out);

/* Runs `body` on a thread of its own that lives in another network namespace, and waits for its end. 0; or the negative
 * errno of a thread that could not start or get in there (needs CAP_SYS_ADMIN): then `body` did not run. */
int linux_in_namespace(int namespace, void (*body)(void *context), void *context);

/* A non-blocking descriptor that becomes readable when an interface appears, changes or goes. */
int linux_interface_watch(void);

/* What sends packets with a mark to the sockets of this node, for one family. */
struct linux_local_route {
	int family; /* AF_INET, AF_INET6 */
	uint32_t mark;
	uint32_t mask;
	uint32_t table;
	uint32_t priority; /* of the rule */
};

/* Makes the rule and the table's route, which says that every address is local. What is there already stays. */
int linux_local_route_add(const struct linux_local_route *route);

/* Removes both; what is not there is no error. */
int linux_local_route_remove(const struct linux_local_route *route);

/* Lets a TCP socket of this process accept connections to any address: needs CAP_NET_ADMIN or CAP_NET_RAW, and lasts. */
int linux_set_transparent(int fd);

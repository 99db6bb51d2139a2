/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Keys and values of the pinned maps. bpf/README.md says for each map who writes it, how large it
 * is and what happens when it is full. Ports are in host byte order, times in nanoseconds of
 * CLOCK_MONOTONIC, numbers (identity, workload, service, rule, …) interned by the daemon and
 * stable over its restarts. Reserved fields are zero: they are part of hash keys.
 */
#pragma once
#include "addr.h"
#include <linux/types.h>

/* Raised whenever a struct here, a map's type or a pin's name changes; names the pin directory. */
#define MALLA_ABI 4

#define MALLA_IDENTITY_UNKNOWN 0
/* The node proxy itself. */
#define MALLA_IDENTITY_PROXY 1
/* What probes the node's workloads: the daemon's own checks, and processes that MeshConfig names. */
#define MALLA_IDENTITY_PROBE 2
/* First number that the daemon hands out. */
#define MALLA_IDENTITY_FIRST 16
/* Addresses that one workload in a network namespace may have. */
#define MALLA_INTERFACE_ADDRESSES 8
/* Packets that were given to one of the proxy's sockets carry this mark; a rule with MALLA_ROUTE_PRIORITY sends
 * them to the route table MALLA_ROUTE_TABLE, where everything is local. A mark does not leave its network
 * namespace, so that no workload can make one. */
#define MALLA_MARK 0x6d000000u
#define MALLA_MARK_MASK 0xff000000u
/* Packets whose sender is a workload behind an interface and was allowed carry this one; no rule asks for it. */
#define MALLA_MARK_JUDGED 0x6e000000u
/* Where the resolver has sockets for the questions of network namespaces: the dummy address of RFC 7600 and one of the
 * discard prefix of RFC 6666, which nobody has, so that only programs send anything there. Host byte order. */
#define MALLA_RESOLVER_IPV4 0xc0000008u
#define MALLA_RESOLVER_IPV6_HIGH 0x0100000000000000ull
#define MALLA_RESOLVER_IPV6_LOW 0x53ull
#define MALLA_ROUTE_TABLE 15001u
#define MALLA_ROUTE_PRIORITY 150u
/* The wildcards in a policy key: any source that its scope does not list, and any that it lists. */
#define MALLA_IDENTITY_ANY 0xffffffffu
#define MALLA_IDENTITY_LISTED 0xfffffffeu

/* malla_config: array of one. Written before the links are attached and on changes. */
struct malla_config {
	__u32 abi;
	__u32 flags;	  /* enum malla_config_flag */
	__u16 proxy_port; /* outbound listener on 127.0.0.1 and ::1; 0: there is no proxy */
	__u16 dns_port;	  /* UDP and TCP on 127.0.0.1 and ::1; 0: DNS is not captured */
	__u16 metrics_port; /* the daemon's, at an address of the node; 0: none */
	__u16 tunnel_port;  /* of the proxy, at addresses of the node, for other nodes; 0: none */
	__u64 proxy_cgroup; /* the listener on proxy_port must belong to it */
	__u64 netns;	    /* cookie of the network namespace that malla_inbound guards */
};

enum malla_config_flag {
	MALLA_CONFIG_EVENTS_ALL = 1, /* events for allowed connections too, not only refused ones */
	/* The resolver's sockets carry a malla_connection with MALLA_CONNECTION_LISTENER, written by
	 * the daemon, and no other process on dns_port is believed. Without it any listener is. */
	MALLA_CONFIG_DNS_MARKED = 2,
	MALLA_CONFIG_FAST = 4, /* the fast path works on this kernel, and is switched on */
};

/* malla_generation: array of __u32, by enum malla_generation_index. */
enum malla_generation_index {
	/* The snapshot whose policies decide: what malla_policies are keyed by. 0: nothing applied yet.
	 * One 4-byte write switches. */
	MALLA_GENERATION_POLICIES = 0,
	/* The snapshot that is in force whole. Programs do not read it. */
	MALLA_GENERATION_SNAPSHOT = 1,
	MALLA_GENERATION_END = 2,
};

/* malla_workloads: cgroup id (__u64) -> who its processes are. */
struct malla_workload {
	__u32 workload;
	__u32 identity;
	__u32 flags; /* enum malla_workload_flag */
	__u32 reserved;
};

enum malla_workload_flag {
	MALLA_WORKLOAD_EXEMPT = 1, /* the proxy: connects past every rule, its listeners are trusted */
	MALLA_WORKLOAD_NAMESPACE = 2, /* in a network namespace of its own, behind an enrolled interface */
	/* A prober of the node: no workload, but workloads let its connections in whatever policy says. */
	MALLA_WORKLOAD_PROBE = 4,
};

/* malla_interfaces: index of an interface in the daemon's network namespace (__u32) -> the workload in the
 * namespace behind it. */
struct malla_interface {
	__u32 workload;
	__u32 identity;
	__u32 flags;	 /* enum malla_interface_flag */
	__u32 addresses; /* how many of `address` are in use */
	__u64 netns;	 /* cookie of the daemon's network namespace */
	__u8 mac[6];	 /* of the interface itself */
	__u8 reserved[2];
	__s32 namespace; /* the daemon's network namespace's number for the workload's; -1: unknown */
	__u32 reserved2;
	struct malla_addr address[MALLA_INTERFACE_ADDRESSES];
};

enum malla_interface_flag {
	MALLA_INTERFACE_BRIDGED = 1, /* a port of a bridge */
	MALLA_INTERFACE_HOOKED = 2,  /* the workload's cgroup is known: what it connects is counted at its sockets */
};

/* malla_listeners: sockmap of the proxy's transparent listeners, by enum malla_listener. A slot empties itself
 * when its listener is closed. */
enum malla_listener {
	MALLA_LISTENER_IPV4 = 0,
	MALLA_LISTENER_IPV6 = 1,
	MALLA_LISTENER_END = 2,
};

/* malla_local: addresses of this node besides loopback -> __u32 1. */

/* malla_services: what a workload may connect to by a virtual address. Port 0: any other port. Values are replaced
 * while decisions run: read with entry_read. */
struct malla_service_key {
	__u16 port;
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	__u8 reserved;
	struct malla_addr addr;
};

struct malla_service {
	__u32 service;
	__u32 table; /* of malla_slots */
	__u32 slots; /* 0: no ready endpoint */
	__u32 scope; /* policy scope shared by all endpoints; 0: they differ, the proxy decides */
	__u32 flags; /* enum malla_service_flag */
	__u32 maglev;	/* slots of its Maglev table, which goes by the number of `table`; 0: it has none */
	__u64 affinity; /* ns that a client keeps its endpoint after its last connection; 0: not at all */
};

enum malla_service_flag {
	MALLA_SERVICE_PROXY = 1,     /* through the node proxy */
	MALLA_SERVICE_FAIL_OPEN = 2, /* direct while the proxy is away */
	MALLA_SERVICE_NO_PORT = 4,   /* the entry of port 0: there is no such port */
	MALLA_SERVICE_BALANCED = 8,  /* more than a draw by weight was asked for */
	MALLA_SERVICE_LEAST = 16,    /* of two draws the one with fewer connections for its weight */
	MALLA_SERVICE_BY_SOCKET = 32, /* Maglev hashes the socket, not the workload */
	MALLA_SERVICE_ROUTED = 64,    /* routes lead on to other services: it needs no endpoint of its own */
	MALLA_SERVICE_FAST = 128,     /* connections to endpoints of this node ask for the fast path */
};

/* malla_slots: Walker's alias table. Draw a slot, then a number below 2^32: under the threshold
 * it is `endpoint`, else `alias`. Exact for any weights, one lookup, one slot per endpoint, in pieces: the kernel adds 56
 * bytes to each entry. Slot n is number n % MALLA_SLOT_PIECE of the piece n / MALLA_SLOT_PIECE; those past the last are
 * zero. A table is never changed: a service whose endpoints change gets another one. Where clients keep their endpoints,
 * endpoint n may be kept if the piece MALLA_SLOT_MEMBERS | n / 1024 has its bit n % 1024. */
#define MALLA_SLOT_PIECE 8
struct malla_slot_key {
	__u32 table;
	__u32 piece;
};

struct malla_slot {
	__u32 endpoint;
	__u32 alias;
	__u32 threshold; /* 0xffffffff: always `endpoint` */
	__u32 weight;	 /* of `endpoint` */
	__u32 alias_weight;
};

#define MALLA_SLOT_MEMBERS 0x80000000u
#define MALLA_SLOT_MEMBER_WORDS 32

struct malla_slots {
	struct malla_slot slot[MALLA_SLOT_PIECE];
};

/* The value of a piece of members, as large as the others. */
struct malla_members {
	__u32 word[MALLA_SLOT_MEMBER_WORDS];
	__u32 reserved[8];
};

/* malla_maglev: Maglev tables in pieces. Slot n of a table is endpoint n % MALLA_MAGLEV_PIECE of the piece
 * n / MALLA_MAGLEV_PIECE. A piece fills one of the kernel's 1024 byte places, and a table is written in so many fewer
 * calls. Like alias tables they are never changed. */
#define MALLA_MAGLEV_PIECE 240
struct malla_maglev_key {
	__u32 table;
	__u32 piece;
};

struct malla_maglev {
	__u32 endpoint[MALLA_MAGLEV_PIECE];
};

/* malla_active: endpoint's number -> how many connections this node has there, those being made included. Kept for
 * services that are balanced by it. */
struct malla_active {
	__u32 connections;
	__u32 birth; /* of this entry; never 0. A connection that another one counted does not end here */
};

/* malla_affinity: LRU hash. Which endpoint a client had last. Evicted: another is chosen. Whether the endpoint may be
 * used is never read here. */
struct malla_affinity_key {
	__u32 service;
	__u32 source_workload;
	__u16 port; /* of the service */
	__u8 protocol;
	__u8 is_ipv4; /* the virtual address */
};

struct malla_affinity {
	__u64 until;
	__u32 endpoint;
	__u32 reserved;
};

/* malla_drains: endpoints that left a service -> when what is still open to them by way of it is cut (__u64, ns). */
struct malla_drain_key {
	__u32 service;
	__u32 endpoint;
};

/* malla_endpoints: one address and port of a workload, by number and by address. By address: the address with port 0
 * if it has MALLA_ENDPOINT_WITH_PORTS; then address and port; then, for an address of this node (loopback, unspecified,
 * malla_local), the all-zero address with the port, which stands for every spelling of this node; then the address with
 * port 0. An address that several workloads claim has an entry for each of them too, by address and workload. All hold
 * for TCP and UDP.
 * A number means one address, port and workload as long as a slot names it; the rest of a value, and entries by
 * address, are replaced while decisions run: read with entry_read. */
struct malla_endpoint_key {
	__u32 endpoint; /* by number: addr and port zero. By address: MALLA_ENDPOINT_BY_ADDRESS.
			 * By both: MALLA_ENDPOINT_OF_WORKLOAD | workload */
	struct malla_addr addr;
	__u16 port; /* 0: any port of the address */
	__u16 reserved;
};

#define MALLA_ENDPOINT_BY_ADDRESS 0xffffffffu
#define MALLA_ENDPOINT_OF_WORKLOAD 0x80000000u

struct malla_endpoint {
	struct malla_addr addr;
	__u16 port;
	__u16 flags; /* enum malla_endpoint_flag */
	__u32 endpoint;
	__u32 workload;
	__u32 identity;
	__u32 scope; /* policy scope; never 0 for an enrolled workload, always 0 for one of another node */
	__u16 ports[2]; /* MALLA_ENDPOINT_WITH_PORTS: those that it has at this address; 0: none */
};

enum malla_endpoint_flag {
	MALLA_ENDPOINT_AMBIGUOUS = 1, /* several workloads claim it: denied */
	/* On another node: reached by the proxy's tunnel and in no other way, and judged there. */
	MALLA_ENDPOINT_REMOTE = 2,
	/* The address is its alone, and so few ports need no entries of their own. */
	MALLA_ENDPOINT_WITH_PORTS = 4,
};

/*
 * malla_policies, a set under the number of its snapshot: what a scope (one set of policies) says of a source and port. Probed exact to
 * wildcard: (source, port), (source, any), (any, port), (any, any). Any deny wins, then any allow,
 * then the default, which stands in the head, the entry (MALLA_IDENTITY_ANY, 0) that every scope has.
 *
 * Sources and ports that a rule excepts ("all but these") are listed: they have wildcards of their own, to
 * which such rules are not written. See docs/design/0004-policy-form.md.
 */
struct malla_policy_key {
	__u32 generation;
	__u32 scope;
	__u32 source; /* identity, MALLA_IDENTITY_ANY or MALLA_IDENTITY_LISTED */
	__u16 port;   /* of the endpoint, not of the service; 0: any */
	__u16 listed; /* with port 0: any of the ports that the scope lists; without: any other port */
};

struct malla_policy {
	__u32 deny_rule;  /* 0: none */
	__u32 allow_rule; /* 0: none */
	__u32 default_rule;
	__u16 default_reason; /* enum malla_reason: PASSED, POLICY_NOT_ALLOWED, MESH_DEFAULT_DENIED, … */
	__u8 flags;	      /* enum malla_policy_flag */
	__u8 denial; /* how far the reason of deny_rule is above POLICY_DENIED: no branch, and nothing to forget */
	__u32 shadow;	      /* head: the scope that would hold if dry runs were enforced; 0: no dry run */
};

enum malla_policy_flag {
	/* Head: another scope decides, by the address of one end (malla_blocks). */
	MALLA_POLICY_BY_SOURCE = 1,
	MALLA_POLICY_BY_DESTINATION = 2,
	/* Head: some sources, some ports are listed. */
	MALLA_POLICY_LISTS_SOURCES = 4,
	MALLA_POLICY_LISTS_PORTS = 8,
	/* (source, 0): the source is listed. (MALLA_IDENTITY_ANY, port): the port is. */
	MALLA_POLICY_LISTED = 16,
	/* Head: the scope has no other entry. */
	MALLA_POLICY_ALONE = 64,
};

/* How many entries the maps of a policy set have room for, the set in force and the next one together. */
#define MALLA_POLICY_ENTRIES 262144
#define MALLA_BLOCK_ENTRIES 65536

/* malla_blocks: longest-prefix trie from a scope and an address to the scope that decides there. */
struct malla_block_key {
	__u32 prefix; /* bits that count: MALLA_BLOCK_PREFIX and those of the address */
	__u32 generation;
	__u32 scope;
	struct malla_addr addr;
};

#define MALLA_BLOCK_PREFIX 64

struct malla_block {
	__u32 scope;
};

/* malla_sources: workload -> the addresses that it connects from, as far as policy asks for them. For a
 * family in which it has none, one of the other. A packet's own address goes before these. */
struct malla_source {
	struct malla_addr ipv4;
	struct malla_addr ipv6;
};

/* How a connection goes. */
enum malla_path {
	MALLA_PATH_PASS = 0,   /* not the mesh's business: left alone, counted */
	MALLA_PATH_DIRECT = 1, /* straight to the endpoint */
	MALLA_PATH_PROXY = 2,  /* to the node proxy */
	MALLA_PATH_DENY = 3,
	MALLA_PATH_DNS = 4, /* to the node's resolver; the application sees the server that it asked */
};

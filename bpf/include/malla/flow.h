/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the kernel keeps of a connection and tells of it: records, counters, events, explanations. */
#pragma once
#include "addr.h"
#include "maps.h"
#include "reason.h"
#include <linux/types.h>

enum malla_direction {
	MALLA_OUTBOUND = 0, /* seen at the connecting socket */
	MALLA_INBOUND = 1,  /* seen at the accepted socket */
};

/*
 * malla_connections: sk_storage of every socket that the hooks decided on, and of sockets
 * accepted from such a one. The proxy reads the accepted socket's record with one
 * bpf_map_lookup_elem by file descriptor.
 *
 * malla_places and malla_young: the same of TCP connections until they are seen by a walk (malla_settle, malla_revoke_tcp), by
 * the socket's cookie: most connections end before that, and a hash costs a fifth of what socket storage does, a place nearly
 * nothing. What the proxy
 * accepts, and sockets of other network namespaces than the daemon's, are never there.
 */
struct malla_connection {
	struct malla_addr original;    /* what the application asked for */
	struct malla_addr destination; /* where the socket really goes */
	__u16 original_port;
	__u16 destination_port;
	__u8 path;	/* enum malla_path */
	__u8 direction; /* enum malla_direction */
	__u8 protocol;
	__u8 flags;	   /* enum malla_connection_flag */
	__u32 source;	   /* identity */
	__u32 source_workload;
	__u32 target;	   /* identity of the endpoint; 0 when the proxy picks it, or unknown */
	__u32 target_workload;
	__u32 service;	   /* 0: no virtual service */
	__u32 rule;	   /* that allows it; 0: a default */
	__u32 generation;  /* that decided, or judged it again last */
	__u16 reason;	   /* enum malla_reason: PASSED or PROXY_DOWN_OPEN; CONNECT_… once it failed */
	__u16 state;	   /* of TCP (BPF_TCP_*): SYN_SENT, ESTABLISHED and CLOSE; 0: no SYN was sent yet */
	__u64 cgroup;	   /* by which the connecting process is a workload; its own if it is none.
			    * MALLA_CONNECTION_BY_PACKET: index of the interface that it came by */
	__u64 netns;	   /* cookie of its network namespace */
	__u64 cookie;	   /* of the connecting socket: names the connection everywhere */
	__u64 opened;	   /* time of connect */
	__u64 established; /* 0: not yet */
	__u64 sent;	   /* bytes already added to the counters */
	__u64 received;
	__u32 retransmits; /* the same for segments sent again */
	__u32 endpoint; /* its number, when a service led there; through the proxy: the one that the service's
			 * balancing chose, 0 when that is left to the proxy */
	__u32 birth;	/* of the entry of malla_active that counts it; 0: none does */
	__u32 meeting; /* one more than the place in malla_meetings where it waits for the accepting side, and perhaps
			* MALLA_MEETING_SHARED; MALLA_MEETING_TAKEN; 0: nowhere */
	/* The source's address, as policy sees it: of what packets tell, and with path PROXY. Else it is the workload's. */
	struct malla_addr from;
};

/* malla_places: array of these. A TCP connection's place is the one that its socket's cookie names, MALLA_PLACES places apart:
 * where a young record is while nobody else's is there. */
struct malla_place {
	__u64 cookie; /* of the socket whose record it is; 0: nobody's */
	struct malla_connection connection;
};

#define MALLA_PLACES 2048

enum malla_connection_flag {
	MALLA_CONNECTION_COUNTED = 1,  /* `opened` was counted */
	MALLA_CONNECTION_LISTENER = 2, /* a listener of the node proxy, or of the resolver */
	/* Decided on a packet of a network namespace: no hook sees the connecting socket. */
	MALLA_CONNECTION_BY_PACKET = 4,
	MALLA_CONNECTION_PUBLISHED = 32, /* its record waits for the accepting side, or did */
	MALLA_CONNECTION_ACTIVE = 8,  /* its service is balanced by the number of connections */
	MALLA_CONNECTION_STICKY = 16, /* its client keeps the endpoint */
	MALLA_CONNECTION_FAST = 64, /* its service asks for the fast path */
	/* Young: its opening is counted when a walk finds it, or together with its end. */
	MALLA_CONNECTION_YOUNG = 128,
};

/* What one read of the connections iterator gives for each TCP connection: an array of these. */
struct malla_live {
	__u64 cookie;	/* of this socket; connection.cookie is the connecting one's */
	__u64 sent;	/* application bytes up to now */
	__u64 received;
	struct malla_addr local;
	struct malla_addr remote;
	__u16 local_port;
	__u16 remote_port;
	__u16 state; /* BPF_TCP_* */
	__u16 reserved;
	__u32 round_trip_us; /* smoothed; 0: not measured yet */
	__u32 reserved_end;
	struct malla_connection connection;
};

/* What one read of a revoking iterator gives for each socket that it destroyed: an array of these. */
struct malla_cut {
	__u64 connection; /* the connecting socket's cookie */
	__u32 source_workload;
	__u32 target_workload;
	__u32 service;
	__u32 rule;    /* that refuses it now; 0: a default */
	__u16 reason;  /* enum malla_reason */
	__u8 path;     /* enum malla_path */
	__u8 direction; /* enum malla_direction: which end was destroyed */
	__u8 protocol;
	__u8 reserved[3];
};

/* How a workload's socket goes past the hooks. */
enum malla_bypass_kind {
	MALLA_BYPASS_FAMILY = 1,   /* of a family that no hook sees: packets, virtual machines */
	MALLA_BYPASS_PROTOCOL = 2, /* raw, or another protocol than TCP and UDP */
	MALLA_BYPASS_FOREIGN = 3,  /* made elsewhere, inherited or passed on: the hooks follow its maker */
	MALLA_BYPASS_EARLY = 4,	   /* connected to an endpoint before its workload had hooks; found once, then judged */
};

/* What one read of the bypasses iterator gives for each descriptor of such a socket: an array of these. */
struct malla_bypass {
	__u64 cookie;
	__u64 cgroup; /* by which the process is a workload */
	__u32 kind;   /* enum malla_bypass_kind */
	__u32 pid;
	__u32 descriptor;
	__u32 workload;
	__u32 identity;
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 state;
	__u16 local_port;
	__u16 remote_port;
	struct malla_addr local; /* zero when it is no socket of IPv4 or IPv6 */
	struct malla_addr remote;
	char command[16];
};

/* malla_handoffs: LRU hash from the connecting socket's tuple to its record, from TCP_CONNECT_CB
 * until the accepted socket took it. Evicted: the proxy refuses the connection (not_captured). */
struct malla_tuple {
	struct malla_addr source;
	struct malla_addr destination;
	__u16 source_port;
	__u16 destination_port;
	__u32 reserved;
	__u64 netns;
};

/* malla_meetings: array of these. Where the accepting side finds a record that is at its place in malla_places; one that finds
 * none free waits in malla_handoffs. */
struct malla_meeting {
	__u64 cookie; /* of the connecting socket; 0: free */
	struct malla_tuple tuple;
};

#define MALLA_MEETINGS 128
#define MALLA_MEETING_CLAIMED 0xffffffffffffffffull
/* In a record's `meeting`: once the accepting side was there, this one tells for both, and that keeps none. */
#define MALLA_MEETING_SHARED 0x80000000u
/* It was there. */
#define MALLA_MEETING_TAKEN 0xffffffffu

/* malla_lanes: hash of the ends of connections on the fast path: from the tuple as the end sees it (its own address is the
 * source) to this. */
struct malla_lane {
	__u64 socket; /* the kernel's tcp_sock of this end, to look at and no more; 0: it has sent nothing yet */
	__u64 sent;   /* bytes that went past TCP, which does not count them */
	__u64 received;
	__u32 mode;   /* enum malla_lane_mode: of what this end sends */
	__u32 turns;  /* how often it changed */
};

enum malla_lane_mode {
	MALLA_LANE_TCP = 0,
	MALLA_LANE_REDIRECTED = 1,
};

/* malla_permits: LRU hash from a flow that may come in to who begins it, where that is not a connection with a record:
 * of the node proxy and of probes. From TCP_CONNECT_CB until the socket closes; the daemon writes and withdraws those
 * of its own checks. Evicted: a flow that has not come in yet is judged as from an unknown source. */
struct malla_permit_key {
	struct malla_addr source;
	struct malla_addr destination;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 reserved[3];
	__u64 netns;
};

struct malla_permit {
	__u32 identity;
	__u32 workload;
	__u64 since; /* when it was written */
};

/* malla_counters: per-CPU hash. An all-zero key is the overflow bucket, made at start.
 * malla_spare: hash with the same keys and values, for what found no memory per CPU. */
struct malla_counter_key {
	__u32 source; /* identity */
	__u32 source_workload;
	__u32 target;
	__u32 target_workload;
	__u32 service;
	__u16 reason; /* enum malla_reason */
	__u8 path;
	__u8 direction;
};

/* malla_times: hash. Kept by the connecting end; by the accepted one where no hook is at the other. Apart from the
 * counters, whose small values the kernel can make many of at once. An all-zero key is the overflow bucket, made at
 * start. */
struct malla_times_key {
	__u32 source_workload;
	__u32 target_workload;
	__u32 service;
};

/* How often something took how long. Bucket 0 holds what took less than 2^shift ns, bucket i what took less than
 * 2^(shift + i), the last all that took longer; shift is one of malla_histogram_shift. */
#define MALLA_HISTOGRAM_BUCKETS 24
struct malla_histogram {
	__u64 sum; /* ns */
	__u64 bucket[MALLA_HISTOGRAM_BUCKETS];
};

enum malla_histogram_shift {
	MALLA_SHIFT_LATENCY = 12,  /* from 4 µs to 17 s: connect, round trip */
	MALLA_SHIFT_DURATION = 20, /* from 1 ms to 73 min: a connection's life */
};

struct malla_times {
	struct malla_histogram connect;	   /* from connect to established */
	struct malla_histogram round_trip; /* as the kernel had smoothed it when the connection ended */
	struct malla_histogram duration;   /* from established to the end */
};

struct malla_counter {
	__u64 opened;	/* established connections */
	__u64 closed;
	__u64 failed;	/* connects that did not get established */
	__u64 denied;	/* refused by a decision */
	__u64 sent;	/* application bytes: SYN and FIN are not counted */
	__u64 received;
	__u64 retransmits;
	__u64 datagrams_sent; /* of UDP: as many as the application's calls */
	__u64 datagrams_received;
};

/* malla_rehearsals: per-CPU hash of __u64, how often a dry run would have decided otherwise. An all-zero key is the
 * overflow bucket, made at start. */
struct malla_rehearsal_key {
	__u32 source; /* identity */
	__u32 source_workload;
	__u32 target;
	__u32 target_workload;
	__u32 rule;   /* that would decide; 0: a default */
	__u16 reason; /* enum malla_reason: PASSED, would be allowed */
	__u16 reserved;
};

/* malla_stats: per-CPU array of __u64, by enum malla_stat. */
enum malla_stat {
	MALLA_STAT_EVENTS_LOST = 0,	/* the ring buffer was full */
	MALLA_STAT_EVENTS_LIMITED = 1,	/* more of the same source, target and reason than wanted */
	MALLA_STAT_COUNTERS_OVERFLOW = 2, /* counted in the overflow bucket */
	MALLA_STAT_HANDOFF_MISSED = 3,	/* an accepted socket found no record */
	MALLA_STAT_STORAGE_FAILED = 4,
	MALLA_STAT_DECISIONS = 5,
	MALLA_STAT_ACTIVE_FAILED = 6, /* connections that malla_active had no room for */
	MALLA_STAT_END = 7,
};

/* malla_events: ring buffer of this. */
struct malla_event {
	__u64 time;
	__u64 cookie;
	__u64 cgroup;
	__u32 kind; /* enum malla_event_kind */
	__u32 pid;
	struct malla_addr original;
	struct malla_addr destination;
	__u16 original_port;
	__u16 destination_port;
	__u16 reason;
	__u8 path;
	__u8 protocol;
	__u32 source;
	__u32 source_workload;
	__u32 target;
	__u32 target_workload;
	__u32 service;
	__u32 rule;
	__u64 sent;	/* closed */
	__u64 received; /* closed */
	__u64 duration; /* opened: of the connect; closed: of the connection; ns */
	char command[16];
};

enum malla_event_kind {
	MALLA_EVENT_REFUSED = 1,
	MALLA_EVENT_OPENED = 2,
	MALLA_EVENT_CLOSED = 3,
	MALLA_EVENT_FAILED = 4, /* the connect did not get established */
	MALLA_EVENT_REVOKED = 5, /* it was cut: what is in force no longer allows it */
	MALLA_EVENT_REHEARSED = 6, /* a dry run would have decided otherwise; reason and rule are its */
};

/* Where a connection is decided. */
enum malla_seen {
	MALLA_SEEN_AT_SOCKET = 0, /* in the node's own network namespace */
	/* In a workload's network namespace: the proxy is not there, malla_veth takes its packets to it. */
	MALLA_SEEN_IN_NAMESPACE = 1,
	/* On a packet: connections to services need the proxy, datagrams are translated. */
	MALLA_SEEN_ON_PACKET = 2,
};

/* What the decision reads and says, and what malla_explain is asked: it runs the hooks' own code, for
 * `malla explain` and for tests. Input above, output below. */
struct malla_explanation {
	__u64 cgroup;
	struct malla_addr addr;
	__u16 port;
	__u8 protocol;
	__u8 ipv6_only;	   /* the socket cannot reach v4-mapped addresses */
	__u8 is_ipv4;	   /* the socket is AF_INET */
	__u8 proxy_alive;  /* a listener of the proxy is there */
	__u8 dns_alive;	   /* the node's resolver is there */
	__u8 seen;	   /* enum malla_seen */
	__u32 random[2];   /* the draws: slot, then alias */
	/* -- output -- */
	__u32 path;
	__u32 reason;
	__s32 error; /* positive errno, 0 for none */
	__u32 source;
	__u32 source_workload;
	__u32 service;
	__u32 rule;
	__u32 generation;
	struct malla_endpoint endpoint; /* picked; zero when there is none */
	__u32 picked;  /* number of the endpoint, also where the proxy is asked to take it; 0: none */
	__u32 balance; /* of the service: enum malla_service_flag */
	__u64 affinity; /* for how long the client keeps it, ns; 0: not at all */
	/* -- input again -- */
	__u64 cookie; /* of the socket; 0: there is none */
	__u32 interface; /* whose workload it is, where that has no cgroup */
	/* -- output again: what would be if the dry runs of the scope were enforced -- */
	__u32 would_rule;
	__u16 would_reason;  /* enum malla_reason */
	__u8 has_dry_run;    /* the scope has some */
	__u8 would_differ;   /* it would be allowed instead of denied, or denied instead of allowed */
	/* -- output: what the endpoint was drawn from -- */
	__u32 table;
	__u32 slots;
};

/* The packet on which malla_explain is run. */
struct malla_explanation_packet {
	__u8 ethernet[16]; /* zero; the kernel wants a packet to have a header */
	struct malla_explanation explanation;
};

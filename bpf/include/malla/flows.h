/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the kernel keeps of connections of which it sees packets only: those of network namespaces. */
#pragma once
#include "addr.h"
#include "flow.h"
#include <linux/types.h>

/* malla_flows: LRU hash of what was decided on packets of network namespaces, seen from the workload's end. Evicted: the
 * next packet is judged anew, see lib/recover.h. */
struct malla_flow_key {
	struct malla_addr local; /* the workload's */
	struct malla_addr remote;
	__u16 local_port;
	__u16 remote_port;
	__u8 protocol;
	__u8 reserved[3];
};

struct malla_flow {
	struct malla_connection connection; /* `sent` and `received`: what the counters have of them */
	__u64 judged;	 /* when it was judged last, in ticks of the kernel (jiffies) */
	__u64 sent;	 /* bytes that the workload sent up to now: of TCP by sequence numbers, of UDP by datagrams */
	__u64 received;
	__u32 interface; /* the node's end: a flow of another one is somebody else's */
	__u32 sent_next; /* TCP: the sequence number after what it sent */
	__u32 received_next; /* TCP: what it has acknowledged */
	__u32 peer_end;	 /* TCP: the sequence number of the peer's FIN */
	__u32 flags;	 /* enum malla_flow_flag */
	__u32 reserved;
};

enum malla_flow_flag {
	MALLA_FLOW_TRANSLATED = 1, /* from a service's address (`original`) to the endpoint's (`destination`) */
	MALLA_FLOW_BACK = 2,	   /* the entry by which a translated flow's answers are found */
	MALLA_FLOW_EXEMPT = 4,	   /* of the proxy or a probe: no policy is asked */
	MALLA_FLOW_UNCOUNTED = 8,  /* counted at its socket, or not at all */
	MALLA_FLOW_BASED = 16,	   /* sent_next is known */
	MALLA_FLOW_ANSWERED = 32,  /* received_next is known */
	MALLA_FLOW_OPEN = 64,	   /* TCP: the handshake is over; UDP: counted as opened */
	MALLA_FLOW_ENDED = 128,	   /* the workload sent its FIN */
	MALLA_FLOW_PEER_ENDED = 256,
	MALLA_FLOW_CLOSED = 512,
};

/* malla_fronts: array of these, MALLA_FRONTS of them at a hash of the flow's key. What a TCP packet in the middle of a flow that
 * was judged a moment ago needs of its entry in malla_flows, in one line of the cache. Sequence numbers only: how many bytes
 * they are more than malla_flows has, is their difference. */
struct malla_front {
	struct malla_flow_key key;
	__u32 interface;
	__u32 sent_next;
	__u32 received_next;
	__u32 reserved;
	__u64 judged; /* as the flow has it; MALLA_FRONT_TAKEN while another flow moves in. Written last */
};

#define MALLA_FRONTS 4096u
#define MALLA_FRONT_TAKEN 1u

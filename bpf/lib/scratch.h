/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Room for what a program on packets works with: the stack of 512 bytes is too small for all of it. One for each CPU,
 * because these programs run with bottom halves off and none calls the other: nobody enters it twice. Programs in
 * system calls may not use it, for they can be preempted. Its content means nothing from one packet to the next.
 */
#pragma once
#include "glance.h"
#include "interface.h"
#include "maps.h"
#include "packet.h"
#include "policy.h"

/* A message of ICMP or ICMPv6 that says that a destination cannot be reached. */
struct unreachable {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u32 unused;
	__u8 quoted[sizeof(struct ipv6hdr) + sizeof(struct udphdr)]; /* of the datagram */
};

struct scratch {
	struct packet packet;
	struct interface interface;
	struct malla_explanation it;
	struct glance glance;
	struct malla_flow flow;
	struct malla_flow_key back;
	struct malla_connection record;
	struct malla_tuple tuple;
	struct malla_service service;
	struct malla_endpoint endpoint;
	struct policy_question asked;
	struct unreachable unreachable;
};

/* Of each object its own: it is not pinned, so that a new version may change it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} malla_scratch SEC(".maps");

/* This CPU's; never NULL, but the verifier wants to hear it. */
static __always_inline struct scratch *scratch_now(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&malla_scratch, &zero);
}

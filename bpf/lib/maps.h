/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * All maps. Every object declares all of them through this header; the loader creates each once
 * and hands it to the other objects by name. Keys and values: malla/maps.h, malla/flow.h and malla/flows.h.
 * bpf/README.md has the table of writers and of what happens when a map is full.
 */
#pragma once
#include "malla/flow.h"
#include "malla/flows.h"
#include "malla/maps.h"
#include <bpf/bpf_helpers.h>

/* Written by the daemon before the links are attached, and on changes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct malla_config);
} malla_config SEC(".maps");

/* Written by the daemon: one 4-byte write switches to a set of policies that is already complete. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MALLA_GENERATION_END);
	__type(key, __u32);
	__type(value, __u32);
} malla_generation SEC(".maps");

/* Written by the daemon, mapped into its memory: odd while it changes what decisions read. See changes.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} malla_changes SEC(".maps");

/* Written by the daemon. Full: the workload is not enrolled, so it is denied. Key: cgroup id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct malla_workload);
} malla_workloads SEC(".maps");

/* Written by the daemon. Full: the workload's interface is not captured. Key: interface index. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct malla_interface);
} malla_interfaces SEC(".maps");

/* Written by the daemon, with sockets that the proxy handed to it. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, MALLA_LISTENER_END);
	__type(key, __u32);
	__type(value, __u64);
} malla_listeners SEC(".maps");

/* Written by the daemon: the node's addresses besides loopback. Full: the rest count as foreign. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_addr);
	__type(value, __u32);
} malla_local SEC(".maps");

/* The four maps of a snapshot, written by the daemon: policies as a set under the next generation, the others in
 * place. Full: the write fails before anything of the snapshot decides. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_service_key);
	__type(value, struct malla_service);
} malla_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_slot_key);
	__type(value, struct malla_slots);
} malla_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_endpoint_key);
	__type(value, struct malla_endpoint);
} malla_endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MALLA_POLICY_ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_policy_key);
	__type(value, struct malla_policy);
} malla_policies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MALLA_BLOCK_ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_block_key);
	__type(value, struct malla_block);
} malla_blocks SEC(".maps");

/* Written by the daemon before a workload is enrolled. Full: the snapshot is rejected. Key: workload. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct malla_source);
} malla_sources SEC(".maps");

/* Maglev tables, written by the daemon like slots. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_maglev_key);
	__type(value, struct malla_maglev);
} malla_maglev SEC(".maps");

/* Written by sockops; the daemon deletes what nobody has any more. Full: the connection is not counted, so that its
 * endpoint looks idle, and malla_stats says so. Key: endpoint. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct malla_active);
} malla_active SEC(".maps");

/* Written by the hooks. Full: the oldest goes, and its client gets another endpoint. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct malla_affinity_key);
	__type(value, struct malla_affinity);
} malla_affinity SEC(".maps");

/* Written by the daemon. Full: what is open to an endpoint that left goes on until it ends by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_drain_key);
	__type(value, __u64);
} malla_drains SEC(".maps");

/* Written by the hooks; freed with the socket. No memory: the connect is denied (kernel_state). */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct malla_connection);
} malla_connections SEC(".maps");

/* Written by the hooks: what malla_connections would hold of young TCP connections of the node's own network namespace.
 * Full, or no memory at once: it is kept with the socket from the beginning. Key: the socket's cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct malla_connection);
} malla_young SEC(".maps");

/* Written by the hooks: what malla_young would hold, where it costs no lock and no allocation. Taken: it is in malla_young. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MALLA_PLACES);
	__type(key, __u32);
	__type(value, struct malla_place);
} malla_places SEC(".maps");

/* Written by sockops like malla_handoffs, which is for whom there is no room. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MALLA_MEETINGS);
	__type(key, __u32);
	__type(value, struct malla_meeting);
} malla_meetings SEC(".maps");

/* Both ends of connections on the fast path, by the tuple as that end sees it. Written by sockops. Full: the connection stays
 * on TCP. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 32768);
	__type(key, struct malla_tuple);
	__type(value, __u64);
} malla_fast SEC(".maps");

/* The same ends, with what went that way. Written by sockops and malla_redirect. Full: the connection stays on TCP. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_tuple);
	__type(value, struct malla_lane);
} malla_lanes SEC(".maps");

/* Written by sockops, taken by sockops at the accepting side. Full: the oldest goes, and the
 * proxy refuses a connection whose record is gone (not_captured). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct malla_tuple);
	__type(value, struct malla_connection);
} malla_handoffs SEC(".maps");

/* Written by the programs on interfaces. Full: the oldest goes, and is judged anew when it says something. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct malla_flow_key);
	__type(value, struct malla_flow);
} malla_flows SEC(".maps");

/* Written by malla_veth. Another flow's: malla_flows alone says what it says. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MALLA_FRONTS);
	__type(key, __u32);
	__type(value, struct malla_front);
} malla_fronts SEC(".maps");

/* Written by sockops for connections of the proxy and of probes, by the daemon for its own checks. Full: the oldest
 * goes, and its connection is judged as an unknown source's unless it is established. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct malla_permit_key);
	__type(value, struct malla_permit);
} malla_permits SEC(".maps");

/* Written by the hooks; the daemon reads, and makes the all-zero key at start. Full: counted
 * under that key, and malla_stats says so. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_counter_key);
	__type(value, struct malla_counter);
} malla_counters SEC(".maps");

/* Written by the hooks: counts of a new flow while the kernel has no memory for values per CPU, of which it makes only so
 * many at once. Same keys; what both maps have of one belongs together. Full: counted under the all-zero key of
 * malla_counters. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_counter_key);
	__type(value, struct malla_counter);
} malla_spare SEC(".maps");

/* Written by the hooks, for policies that are only tried out. Full: counted under the all-zero key, which the daemon
 * makes at start. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_rehearsal_key);
	__type(value, __u64);
} malla_rehearsals SEC(".maps");

/* Written by the hooks; the daemon reads, and makes the all-zero key at start. Full: counted under that key. Not per CPU:
 * the kernel could not make many values of this size at once. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct malla_times_key);
	__type(value, struct malla_times);
} malla_times SEC(".maps");

/* Written by the hooks. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MALLA_STAT_END);
	__type(key, __u32);
	__type(value, __u64);
} malla_stats SEC(".maps");

/* Written by the hooks, read by the daemon. Full: the event is lost and counted. No BTF: the
 * kernel takes none for ring buffers; the records are struct malla_event. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} malla_events SEC(".maps");

/* How many events of one kind were let through in the running window. */
struct malla_limit_key {
	__u32 source_workload;
	__u32 target_workload;
	__u32 service;
	__u16 port;
	__u16 reason;
	__u32 kind; /* enum malla_event_kind */
};

struct malla_limit {
	__u64 window; /* when it began */
	__u64 passed;
};

/* Written by the hooks. Full: the oldest goes, so that its next event passes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct malla_limit_key);
	__type(value, struct malla_limit);
} malla_limits SEC(".maps");

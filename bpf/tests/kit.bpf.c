/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What BPFKitTests load: one map of each kind that BPFKit reads, and programs that need no traffic. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* The kernel's own, as far as it is needed here. */
struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

struct kit_args {
	__u32 a;
	__u32 b;
	__u64 sum; /* output */
};

const volatile __u32 kit_factor = 1;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} kit_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} kit_percpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} kit_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} kit_word SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} kit_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} kit_storage SEC(".maps");

/* (a + b) * kit_factor; counts itself and sends the sum as an event. */
SEC("syscall")
int kit_add(struct kit_args *args)
{
	__u32 key = args->a, value = args->b;
	__u64 sum = ((__u64)key + value) * kit_factor;
	__u64 *event;

	args->sum = sum;
	bpf_map_update_elem(&kit_hash, &key, &sum, BPF_ANY);
	bpf_map_update_elem(&kit_percpu, &key, &value, BPF_ANY);
	event = bpf_ringbuf_reserve(&kit_events, sizeof(*event), 0);
	if (event) {
		*event = sum;
		bpf_ringbuf_submit(event, 0);
	}
	return 7;
}

struct kit_entry {
	__u64 value;
	__u32 key;
	__u32 reserved;
};

/* Writes one kit_entry per entry of the map that it is run over. */
SEC("iter/bpf_map_elem")
int kit_entries(struct bpf_iter__bpf_map_elem *ctx)
{
	struct kit_entry entry = {};
	const __u32 *key = ctx->key;
	const __u64 *value = ctx->value;

	if (!key || !value) /* the end */
		return 0;
	entry.key = *key;
	entry.value = *value;
	bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
	return 0;
}

/* Refuses connects to port 1 with EPERM, lets everything else through. */
SEC("cgroup/connect4")
int kit_connect4(struct bpf_sock_addr *ctx)
{
	return ctx->user_port != 0x0100;
}

/* The same hook, refusing nothing: what the first is replaced by. */
SEC("cgroup/connect4")
int kit_connect4_open(struct bpf_sock_addr *ctx)
{
	return 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

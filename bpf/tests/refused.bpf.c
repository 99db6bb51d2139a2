/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A program that the verifier must refuse: BPFKitTests look at the error. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} refused_array SEC(".maps");

SEC("cgroup/connect4")
int kit_refused(struct bpf_sock_addr *ctx)
{
	__u32 key = ctx->user_port;
	__u64 *value = bpf_map_lookup_elem(&refused_array, &key);

	/* Not checked for NULL. */
	return *value & 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What MallaProxyTests take for the kernel's records: accepted sockets inherit their listener's, so
 * that every connection to a test's proxy is a captured one. */
#include <linux/bpf.h>

#include "malla/flow.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct malla_connection);
} captured SEC(".maps");

/* An object has a program. */
SEC("syscall")
int captured_nothing(void *arguments)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

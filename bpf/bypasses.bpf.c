/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Finds the sockets of workloads that go past the hooks: of families that no hook sees, of kinds that were opened before the
 * hooks were there or connected by then, and those that were made elsewhere and inherited or passed on, because the hooks follow the cgroup
 * in which a socket was made.
 * Hook: iter/task_file. Reading it to its end gives an array of struct malla_bypass. A connected TCP or UDP socket from
 * elsewhere gets a record, as if the process that holds it had connected it: then it is judged and cut as any other
 * open connection (revoke.bpf.c). Its bytes are not counted.
 */
#include "hook.h"

#include "config.h"
#include "endpoint.h"
#include "holder.h"
#include "kernel.h"
#include "settle.h"
#include "socket.h"

#define STREAM 1
#define DATAGRAM 2
#define FAMILY_UNIX 1
#define FAMILY_NETLINK 16
#define FAMILY_CRYPTO 38
#define ICMPV6 58

/* How it goes past the hooks, given whose process holds it; 0: it does not. */
static __always_inline __u32 bypass_kind(struct sock *sk, __u32 workload)
{
	__u16 family = sk->__sk_common.skc_family, type = sk->sk_type, protocol = sk->sk_protocol;
	struct malla_workload maker = {};

	if (family == FAMILY_UNIX || family == FAMILY_NETLINK || family == FAMILY_CRYPTO)
		return 0;
	if (family != MALLA_AF_INET && family != MALLA_AF_INET6)
		return MALLA_BYPASS_FAMILY;
	if (type == DATAGRAM && (protocol == IPPROTO_ICMP || protocol == ICMPV6))
		return 0;
	if (!(type == STREAM && protocol == IPPROTO_TCP) && !(type == DATAGRAM && protocol == IPPROTO_UDP))
		return MALLA_BYPASS_PROTOCOL;
	if (enrolled_above((__u64)BPF_CORE_READ(sk, sk_cgrp_data.cgroup), &maker) && maker.workload == workload)
		return 0;
	return MALLA_BYPASS_FOREIGN;
}

/* Did the workload connect it to an endpoint of the mesh before the hooks were there? Accepted sockets of unknown clients
 * have no record either, so it must lead to the very port of an endpoint and not come from one of the workload's own. */
static __always_inline bool is_early(struct sock *sk, const struct malla_bypass *bypass)
{
	struct malla_endpoint endpoint;

	if (bypass->state != BPF_TCP_ESTABLISHED && bypass->state != BPF_TCP_SYN_SENT)
		return false;
	if (has_record(sk))
		return false;
	if (endpoint_at(&bypass->local, bypass->local_port, &endpoint) && endpoint.workload == bypass->workload)
		return false;
	if (!endpoint_at(&bypass->remote, bypass->remote_port, &endpoint))
		return false;
	return endpoint.port || endpoint.flags & MALLA_ENDPOINT_AMBIGUOUS;
}

/* Gives a socket that no hook decided on a record of its holder, so that it is judged with the others. */
static __always_inline void adopt(struct sock *sk, const struct malla_bypass *bypass)
{
	struct malla_connection *record;

	if (bypass->state != BPF_TCP_ESTABLISHED && bypass->state != BPF_TCP_SYN_SENT)
		return;
	if (has_record(sk))
		return;
	record = bpf_sk_storage_get(&malla_connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!record)
		return;
	record->original = bypass->remote;
	record->original_port = bypass->remote_port;
	record->destination = bypass->remote;
	record->destination_port = bypass->remote_port;
	record->path = MALLA_PATH_PASS;
	record->direction = MALLA_OUTBOUND;
	record->protocol = bypass->protocol;
	record->source = bypass->identity;
	record->source_workload = bypass->workload;
	record->generation = generation_now();
	record->state = bypass->protocol == IPPROTO_TCP ? bypass->state : 0;
	record->cgroup = bypass->cgroup;
	record->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	record->cookie = bypass->cookie;
	record->opened = bpf_ktime_get_ns();
}

SEC("iter/task_file")
int malla_bypasses(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct malla_bypass bypass = {};
	struct malla_workload holder = {};
	struct sock_common *common;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	bypass.cgroup = enrolled_above((__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp), &holder);
	if (!bypass.cgroup || holder.flags & MALLA_WORKLOAD_EXEMPT)
		return 0;
	bypass.kind = bypass_kind(sk, holder.workload);
	common = &sk->__sk_common;
	bypass.pid = task->tgid;
	bypass.descriptor = ctx->fd;
	bypass.workload = holder.workload;
	bypass.identity = holder.identity;
	bypass.family = common->skc_family;
	bypass.type = sk->sk_type;
	bypass.protocol = sk->sk_protocol;
	bypass.state = common->skc_state;
	bpf_probe_read_kernel_str(bypass.command, sizeof(bypass.command), task->comm);
	if (common->skc_family == MALLA_AF_INET || common->skc_family == MALLA_AF_INET6) {
		bypass.local = socket_addr(common, common->skc_rcv_saddr, &common->skc_v6_rcv_saddr);
		bypass.remote = socket_addr(common, common->skc_daddr, &common->skc_v6_daddr);
		bypass.local_port = common->skc_num;
		bypass.remote_port = bpf_ntohs(common->skc_dport);
	}
	if (!bypass.kind && (bypass.protocol == IPPROTO_TCP || bypass.protocol == IPPROTO_UDP) && is_early(sk, &bypass))
		bypass.kind = MALLA_BYPASS_EARLY;
	if (!bypass.kind)
		return 0;
	bypass.cookie = bpf_get_socket_cookie(sk);
	if (bpf_seq_write(ctx->meta->seq, &bypass, sizeof(bypass)))
		return 0;
	if (bypass.kind == MALLA_BYPASS_FOREIGN || bypass.kind == MALLA_BYPASS_EARLY)
		adopt(sk, &bypass);
	return 0;
}

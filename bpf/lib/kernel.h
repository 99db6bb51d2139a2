/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The few fields of the kernel's own structs that the programs read. Offsets are taken from the
 * running kernel's BTF when the object is loaded (CO-RE): order and size here mean nothing. */
#pragma once
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u32 u6_addr32[4];
	} in6_u;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[]; /* by level, itself the last */
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	int tgid;
	char comm[16];
	struct css_set *cgroups;
};

struct file {
	unsigned int f_flags;
};

struct net {
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

typedef struct {
	long long counter;
} atomic64_t;

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	atomic64_t skc_cookie; /* 0: nobody asked for it yet */
	__u16 skc_dport; /* network byte order */
	__u16 skc_num;	 /* host byte order */
	__u16 skc_family;
	unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags; /* bits by enum sock_flags */
};

struct sock;

struct socket {
	struct sock *sk;
	struct file *file;
};

typedef struct {
	int counter;
} atomic_t;

struct sock {
	struct sock_common __sk_common;
	struct {
		atomic_t rmem_alloc; /* bytes that wait to be read, with their overhead */
	} sk_backlog;
	__u16 sk_type;
	__u16 sk_protocol;
	struct sock_cgroup_data sk_cgrp_data; /* the cgroup that it was made in */
	int sk_err; /* positive errno that the application will get */
	struct socket *sk_socket; /* NULL: not accepted yet, or closed */
};


struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_nxt;	   /* first byte that has not come yet */
	__u32 copied_seq;  /* first byte that the application has not read */
	__u32 snd_una;	 /* first byte that the peer has not acknowledged */
	__u32 write_seq; /* one past the last byte queued, SYN and FIN included */
	__u64 tcp_clock_cache; /* ns of CLOCK_MONOTONIC, when it was last called or sent something */
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 srtt_us;	     /* smoothed round trip, in eighths of a microsecond */
	__u32 total_retrans; /* segments sent again */
	__u8 is_mptcp : 1;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct udp_sock {
	struct inet_sock inet;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

enum sock_flags {
	SOCK_DONE = 1, /* the peer's FIN was received */
};

#pragma clang attribute pop

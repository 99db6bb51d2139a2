/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Are the node's own listeners there? Asked of the kernel's socket table, so there is no
 * heartbeat to miss: a process that died is noticed by the next connect. */
#pragma once
#include "config.h"
#include "decide.h"
#include "hook.h"
#include "maps.h"

/* The tuple of a loopback listener, for a lookup that no established socket can match (port 0).
 * Answers its length, which tells the kernel the family. */
static __always_inline __u32 listener_tuple(struct bpf_sock_tuple *tuple,
					    const struct malla_addr *like, __u16 port)
{
	struct malla_addr addr = addr_loopback_like(like);

	__builtin_memset(tuple, 0, sizeof(*tuple));
	if (addr_is_ipv4(&addr)) {
		tuple->ipv4.saddr = addr.word[3];
		tuple->ipv4.daddr = addr.word[3];
		tuple->ipv4.dport = bpf_htons(port);
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, &addr, sizeof(addr));
	__builtin_memcpy(tuple->ipv6.daddr, &addr, sizeof(addr));
	tuple->ipv6.dport = bpf_htons(port);
	return sizeof(tuple->ipv6);
}

/* Where the resolver has its sockets for network namespaces. */
static __always_inline struct malla_addr resolver_addr(bool is_ipv4)
{
	if (is_ipv4)
		return addr_from_ipv4(bpf_htonl(MALLA_RESOLVER_IPV4));
	return (struct malla_addr){{bpf_htonl(MALLA_RESOLVER_IPV6_HIGH >> 32), 0, 0, bpf_htonl(MALLA_RESOLVER_IPV6_LOW)}};
}

/* Is this a listener of the proxy or the resolver, as it was marked? */
static __always_inline bool is_marked(struct bpf_sock *sk)
{
	const struct malla_connection *mark = bpf_sk_storage_get(&malla_connections, sk, 0, 0);

	return mark && mark->flags & MALLA_CONNECTION_LISTENER;
}

/* The resolver's socket for what comes as packets; NULL: it is away. To be released. */
static __always_inline struct bpf_sock *resolver_for_packets(struct __sk_buff *skb, bool is_ipv4, __u8 protocol,
							     const struct malla_config *config)
{
	__u32 length = is_ipv4 ? sizeof(((struct bpf_sock_tuple *)0)->ipv4) : sizeof(((struct bpf_sock_tuple *)0)->ipv6);
	struct malla_addr addr = resolver_addr(is_ipv4);
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;

	if (is_ipv4) {
		tuple.ipv4.daddr = addr.word[3];
		tuple.ipv4.dport = bpf_htons(config->dns_port);
	} else {
		__builtin_memcpy(tuple.ipv6.daddr, &addr, sizeof(addr));
		tuple.ipv6.dport = bpf_htons(config->dns_port);
	}
	if (protocol == IPPROTO_TCP)
		sk = bpf_sk_lookup_tcp(skb, &tuple, length, BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_udp(skb, &tuple, length, BPF_F_CURRENT_NETNS, 0);
	if (sk && !is_marked(sk)) {
		bpf_sk_release(sk);
		return 0;
	}
	return sk;
}

/* Is the listener there for connections of this family that come as packets? A slot of the sockmap is empty as soon as
 * its socket is closed. `asked` is the packet. */
static __always_inline bool listens_for_packets(enum listener listener, const struct malla_explanation *it,
						const struct malla_config *config, void *asked)
{
	bool is_ipv4 = addr_is_ipv4(&it->addr);
	__u32 slot = is_ipv4 ? MALLA_LISTENER_IPV4 : MALLA_LISTENER_IPV6;
	struct bpf_sock *sk;

	if (listener == LISTENER_PROXY)
		sk = bpf_map_lookup_elem(&malla_listeners, &slot);
	else
		sk = asked ? resolver_for_packets(asked, is_ipv4, it->protocol, config) : 0;
	if (!sk)
		return false;
	bpf_sk_release(sk);
	return true;
}

/*
 * Does the listener that this connection needs exist, in the namespace of the connecting process?
 * It must carry the mark that only ours have, for any process may take the port while they are
 * away: the proxy's is set by sockops when a socket begins to listen in the proxy's own cgroup,
 * the resolver's by the daemon.
 */
APART int listens_at_socket(struct bpf_sock_addr *ctx, __u32 listener, const struct malla_explanation *it)
{
	bool proxy = listener == LISTENER_PROXY, found = true;
	const struct malla_config *config = config_now();
	struct bpf_sock_tuple tuple;
	struct bpf_sock *sk;
	__u32 length;

	if (!config || !it)
		return false; /* they are there; the verifier wants to hear it */
	if (it->seen == MALLA_SEEN_IN_NAMESPACE)
		return listens_for_packets(listener, it, config, 0);
	length = listener_tuple(&tuple, &it->addr, proxy ? config->proxy_port : config->dns_port);
	if (it->protocol == IPPROTO_TCP)
		sk = bpf_sk_lookup_tcp(ctx, &tuple, length, BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_udp(ctx, &tuple, length, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	if (proxy || config->flags & MALLA_CONFIG_DNS_MARKED)
		found = is_marked(sk);
	bpf_sk_release(sk);
	return found;
}

static __always_inline bool listens_now(enum listener listener, const struct malla_explanation *it,
					const struct malla_config *config, void *asked)
{
	return listens_at_socket(asked, listener, it);
}

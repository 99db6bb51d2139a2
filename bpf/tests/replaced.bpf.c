/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Looks for what is always there, as decisions do, one after the other and many times: keys of the numbers up to REPLACED_KEYS.
 * Answers how often one was not found, and, times 65,536, how often a copy was not whole: the values of one key have its number
 * and twice the same in two more fields.
 */
#include "hook.h"

#include "endpoint.h"
#include "interface.h"
#include "service.h"
#include "source.h"

#define REPLACED_KEYS 16
#define REPLACED_READS 1024
#define REPLACED_MISSING 1
#define REPLACED_TORN 65536

static __always_inline int replaced_answer(bool found, bool whole)
{
	if (!found)
		return REPLACED_MISSING;
	return whole ? 0 : REPLACED_TORN;
}

APART int replaced_endpoint(__u32 number)
{
	struct malla_addr addr = addr_from_ipv4(bpf_htonl(0x0a000000 + number));
	struct malla_endpoint it;
	bool found = endpoint_at(&addr, 80, &it);

	return replaced_answer(found, it.endpoint == number && it.workload == it.identity);
}

/* In one look, which says nothing where something was changed meanwhile. */
APART int replaced_endpoint_once(__u32 number)
{
	struct malla_addr addr = addr_from_ipv4(bpf_htonl(0x0a000000 + number));
	__u64 before = changes_now();
	struct malla_endpoint it;
	bool found = endpoint_search(&addr, 80, &it, false);

	if (!changes_none_since(before))
		return 0;
	return replaced_answer(found, it.endpoint == number && it.workload == it.identity);
}

/* What stands for all ports of an address but those that it has. */
APART int replaced_wildcard(__u32 number)
{
	struct malla_addr addr = addr_from_ipv4(bpf_htonl(0x0a000000 + number));
	struct malla_service it;
	bool found = service_at(IPPROTO_TCP, &addr, 80, &it);

	return replaced_answer(found, it.service == number && it.table == it.scope);
}

APART int replaced_workload(__u32 number)
{
	struct malla_workload it;
	bool found = workload_of(number, &it);

	return replaced_answer(found, it.flags == number && it.workload == it.identity);
}

/* Read where it is: the daemon lets a grace period pass after each that it replaces, this test does not. */
APART int replaced_interface(__u32 number)
{
	struct malla_addr addr = {};
	struct interface it;

	interface_read(number, &addr, &it);
	return replaced_answer(it.is_enrolled, true);
}

SEC("tc")
int replaced_endpoints(struct __sk_buff *skb)
{
	int answer = 0;

	(void)skb;
	for (__u32 read = 0; read < REPLACED_READS; read++)
		answer += replaced_endpoint(read % REPLACED_KEYS);
	return answer;
}

SEC("tc")
int replaced_once(struct __sk_buff *skb)
{
	int answer = 0;

	(void)skb;
	for (__u32 read = 0; read < REPLACED_READS; read++)
		answer += replaced_endpoint_once(read % REPLACED_KEYS);
	return answer;
}

SEC("tc")
int replaced_wildcards(struct __sk_buff *skb)
{
	int answer = 0;

	(void)skb;
	for (__u32 read = 0; read < REPLACED_READS; read++)
		answer += replaced_wildcard(read % REPLACED_KEYS);
	return answer;
}

SEC("tc")
int replaced_workloads(struct __sk_buff *skb)
{
	int answer = 0;

	(void)skb;
	for (__u32 read = 0; read < REPLACED_READS; read++)
		answer += replaced_workload(read % REPLACED_KEYS);
	return answer;
}

SEC("tc")
int replaced_interfaces(struct __sk_buff *skb)
{
	int answer = 0;

	(void)skb;
	for (__u32 read = 0; read < REPLACED_READS; read++)
		answer += replaced_interface(read % REPLACED_KEYS);
	return answer;
}

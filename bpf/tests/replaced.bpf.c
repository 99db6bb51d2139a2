/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reads endpoints as a decision does, one after the other and many times, and answers how often one was not found. */
#include "hook.h"

#include "entry.h"

#define REPLACED_ENDPOINTS 16
#define REPLACED_READS 1024

APART int replaced_is_missing(__u32 number)
{
	struct malla_endpoint_key key = {.endpoint = number};
	struct malla_endpoint endpoint;

	return !entry_read_surely(&malla_endpoints, &key, &endpoint, sizeof(endpoint));
}

SEC("tc")
int replaced_reads(struct __sk_buff *skb)
{
	int missing = 0;

	(void)skb;
	for (__u32 read = 0; read < REPLACED_READS; read++)
		missing += replaced_is_missing(read % REPLACED_ENDPOINTS);
	return missing;
}

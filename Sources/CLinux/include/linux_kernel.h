/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that glibc does not wrap: BPF map lookup, membarrier. */
#pragma once
#include <errno.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Reads one value of a map by its descriptor. For socket storage the key is the number of an open
 * socket descriptor of this process. Needs no capability, only the descriptor. -ENOENT: no entry.
 */
static inline int linux_bpf_lookup(int map, const void *key, void *value)
{
	union bpf_attr attributes = {0};
	attributes.map_fd = (uint32_t)map;
	attributes.key = (uint64_t)(uintptr_t)key;
	attributes.value = (uint64_t)(uintptr_t)value;
	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof attributes) < 0 ? -errno : 0;
}

/*
 * Returns after every CPU has passed a grace period: a program that read the old generation's
 * number before this call has ended, so that its entries may go.
 */
static inline int linux_grace_period(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0 ? -errno : 0;
}

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

/* The bytes of a value of the socket storage map that a descriptor stands for, or a negative errno: -EINVAL when it is none. Needs no
 * capability, only the descriptor. */
static inline int linux_bpf_value_size(int map)
{
	struct bpf_map_info told = {0};
	union bpf_attr attributes = {0};

	attributes.info.bpf_fd = (uint32_t)map;
	attributes.info.info_len = sizeof told;
	attributes.info.info = (uint64_t)(uintptr_t)&told;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof attributes) < 0)
		return -errno;
	/* A program or BTF has other fields in the same place; only a map's type is this one here. */
	return told.type == BPF_MAP_TYPE_SK_STORAGE ? (int)told.value_size : -EINVAL;
}

/*
 * Returns after every CPU has passed a grace period: a program that read the old generation's
 * number before this call has ended, so that its entries may go.
 */
static inline int linux_grace_period(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0 ? -errno : 0;
}

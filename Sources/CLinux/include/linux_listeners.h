/* SPDX-License-Identifier: Apache-2.0 */
/* Who else listens in the calling thread's network namespace, by netlink. */
#pragma once
#include <stdint.h>

/*
 * Whether a process of another cgroup has a TCP socket that listens at exactly this address (IPv4 v4-mapped) and port, or
 * that is bound there and may listen next (seen from Linux 6.8 on). `own` is a listening TCP socket of this process, by
 * which the kernel tells its cgroup. 1, 0, or the negative errno why that cannot be told.
 */
int linux_is_port_shared(int own, const uint8_t address[16], uint16_t port);

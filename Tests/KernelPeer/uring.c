/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "uring.h"
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int uring_connect(int socket, const struct sockaddr *address, socklen_t length, bool polled)
{
	struct io_uring_params parameters = {.flags = polled ? IORING_SETUP_SQPOLL : 0, .sq_thread_idle = 1000};
	int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
	char *queue, *done;
	struct io_uring_sqe *entries;
	unsigned *tail, mask;

	if (ring < 0)
		return errno;
	queue = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
	entries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (queue == MAP_FAILED || done == MAP_FAILED || entries == MAP_FAILED)
		return errno;
	tail = (unsigned *)(queue + parameters.sq_off.tail);
	mask = *(unsigned *)(queue + parameters.sq_off.ring_mask);
	memset(&entries[0], 0, sizeof(entries[0]));
	entries[0].opcode = IORING_OP_CONNECT;
	entries[0].fd = socket;
	entries[0].addr = (uint64_t)(uintptr_t)address;
	entries[0].off = length;
	((unsigned *)(queue + parameters.sq_off.array))[*tail & mask] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, polled ? 0 : 1, 1,
		    IORING_ENTER_GETEVENTS | (polled ? IORING_ENTER_SQ_WAKEUP : 0), NULL, 0) < 0)
		return errno;
	return -((struct io_uring_cqe *)(done + parameters.cq_off.cqes))->res;
}

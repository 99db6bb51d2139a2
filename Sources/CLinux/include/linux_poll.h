/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness, wake-ups and the clock. Inline: the event loop calls them all the time. */
#pragma once
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* EPOLLET is 1u << 31, which Swift does not import; the others are an enum. */
enum {
	LINUX_READABLE = EPOLLIN,
	LINUX_WRITABLE = EPOLLOUT,
	LINUX_READ_END = EPOLLRDHUP,
	LINUX_HANG_UP = EPOLLHUP,
	LINUX_FAILED = EPOLLERR,
};

static inline int linux_epoll_create(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* One edge-triggered registration for the socket's life, in both directions. */
static inline int linux_epoll_add_edge(int epoll, int fd, uint64_t token)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = token};
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Level-triggered reading: listeners, eventfds, signalfds. */
static inline int linux_epoll_add_level(int epoll, int fd, uint64_t token)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = token};
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static inline int linux_epoll_remove(int epoll, int fd)
{
	return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, 0) ? -errno : 0;
}

/* A signal is an empty turn, not an error. */
static inline int linux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int milliseconds)
{
	int count = epoll_wait(epoll, events, capacity, milliseconds);
	if (count >= 0)
		return count;
	return errno == EINTR ? 0 : -errno;
}

static inline int linux_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* A full counter already wakes the reader, so that EAGAIN is no failure. */
static inline void linux_eventfd_signal(int fd)
{
	uint64_t one = 1;
	ssize_t ignored = write(fd, &one, sizeof one);
	(void)ignored;
}

static inline void linux_eventfd_clear(int fd)
{
	uint64_t count;
	ssize_t ignored = read(fd, &count, sizeof count);
	(void)ignored;
}

/* CLOCK_MONOTONIC in nanoseconds: the clock of the kernel side's records. */
static inline uint64_t linux_monotonic(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

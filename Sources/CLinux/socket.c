/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "linux_socket.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

union any_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static socklen_t fill(union any_address *out, const uint8_t address[16], uint16_t port)
{
	memset(out, 0, sizeof *out);
	if (memcmp(address, v4_mapped, sizeof v4_mapped) == 0) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		memcpy(&out->v4.sin_addr, address + 12, 4);
		return sizeof out->v4;
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	memcpy(&out->v6.sin6_addr, address, 16);
	return sizeof out->v6;
}

int linux_peer_address(int fd, uint8_t address[16])
{
	union any_address at;
	socklen_t length = sizeof at;

	if (getpeername(fd, &at.any, &length))
		return -errno;
	if (at.any.sa_family == AF_INET6) {
		memcpy(address, &at.v6.sin6_addr, 16);
		return 0;
	}
	if (at.any.sa_family != AF_INET)
		return -EAFNOSUPPORT;
	memcpy(address, v4_mapped, sizeof v4_mapped);
	memcpy(address + 12, &at.v4.sin_addr, 4);
	return 0;
}

static int fail(int fd)
{
	int error = errno;
	close(fd);
	return -error;
}

int linux_bind(const uint8_t address[16], uint16_t port, int share)
{
	union any_address at;
	socklen_t length = fill(&at, address, port);
	int on = 1;
	int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on))
		return fail(fd);
	if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on))
		return fail(fd);
	if (at.any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on))
		return fail(fd);
	/* Accepted sockets inherit it: one call for the listener instead of one for each connection. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
		return fail(fd);
	if (bind(fd, &at.any, length))
		return fail(fd);
	return fd;
}

/* Linux 6.3; older C libraries do not name it. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

/* Ports that one attempt looks at, and attempts: what a connect costs at most when most are taken. */
enum { WINDOW = 64, ATTEMPTS = 8 };

static uint32_t first_port = 32768, windows = (61000 - 32768) / WINDOW;

static void learn_ports(void)
{
	unsigned low, high;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (!file)
		return;
	if (fscanf(file, "%u %u", &low, &high) == 2 && low > 0 && high < 65536 && high + 1 >= low + WINDOW) {
		first_port = low;
		windows = (high + 1 - low) / WINDOW;
	}
	fclose(file);
}

/*
 * Lets a socket's connect look for a port in the next window of them. Left to itself it looks at every second port there
 * is before it takes one of the others: milliseconds, once that many connections to the same place were closed within a
 * minute. An older kernel does that.
 */
static void look_nearby(int fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static _Thread_local uint32_t turn;
	uint32_t low, range;

	pthread_once(&once, learn_ports);
	/* Threads begin at different places. */
	if (!turn)
		turn = (uint32_t)((uintptr_t)&turn >> 6) | 1;
	low = first_port + turn++ % windows * WINDOW;
	range = (low + WINDOW - 1) << 16 | low;
	setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range);
}

/* Whether this node has an address to connect from: if so, it was ports that were missing. A datagram socket's connect
 * chooses the address in the same way. */
static int has_source(const union any_address *to, socklen_t length)
{
	int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), found;

	if (fd < 0)
		return 1;
	found = !connect(fd, &to->any, length) || errno != EADDRNOTAVAIL;
	close(fd);
	return found;
}

int linux_connect(const uint8_t address[16], uint16_t port, int *connected)
{
	union any_address to;
	socklen_t length = fill(&to, address, port);
	int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		look_nearby(fd);
		*connected = connect(fd, &to.any, length) == 0;
		if (*connected || errno == EINPROGRESS)
			return fd;
		if (errno != EADDRNOTAVAIL)
			return fail(fd);
	}
	close(fd);
	return has_source(&to, length) ? -EADDRNOTAVAIL : -ENETUNREACH;
}

/* A socket that the mint accepts, not connected to anything any more; -1: there is none. */
static int minted(int mint)
{
	union any_address at;
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	socklen_t length = sizeof at;
	int fd = -1, knock;

	if (getsockname(mint, &at.any, &length))
		return -1;
	knock = socket(at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (knock < 0)
		return -1;
	/* On loopback the handshake is over when connect() returns, or a moment later. */
	if (!connect(knock, &at.any, length) || errno == EINPROGRESS)
		fd = accept4(mint, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
	/* Whoever else knocked at the mint is turned away by the same call. */
	if (fd >= 0 && connect(fd, &nowhere, sizeof nowhere)) {
		close(fd);
		fd = -1;
	}
	close(knock);
	return fd;
}

int linux_connect_from(int mint, const uint8_t from[16], const uint8_t address[16], uint16_t port, uint32_t draw,
		       int *connected)
{
	union any_address at, to;
	socklen_t length = fill(&to, address, port), at_length;

	/* A port that is taken for this very destination shows at the connect, and costs another socket. */
	for (int attempt = 0; attempt < 4; attempt++) {
		int fd = minted(mint), error = 0;

		if (fd < 0)
			break;
		at_length = fill(&at, from, (uint16_t)(LINUX_SOURCE_PORT + (draw + (uint32_t)attempt * 7919u) % LINUX_SOURCE_PORTS));
		if (bind(fd, &at.any, at_length)) {
			/* Without transparency no other attempt would go better. */
			error = errno == EADDRINUSE ? EADDRINUSE : EACCES;
		} else {
			*connected = connect(fd, &to.any, length) == 0;
			if (*connected || errno == EINPROGRESS)
				return fd;
			error = errno;
		}
		close(fd);
		if (error == EACCES)
			break;
		if (error != EADDRINUSE && error != EADDRNOTAVAIL)
			return -error;
	}
	return -EADDRNOTAVAIL;
}

int linux_accept(int listener)
{
	int fd = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

ssize_t linux_splice(int from, int to, size_t count)
{
	ssize_t moved = splice(from, 0, to, 0, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	return moved < 0 ? -errno : moved;
}

int linux_local_port(int fd)
{
	union any_address at;
	socklen_t length = sizeof at;
	if (getsockname(fd, &at.any, &length))
		return -errno;
	if (at.any.sa_family == AF_INET)
		return ntohs(at.v4.sin_port);
	if (at.any.sa_family == AF_INET6)
		return ntohs(at.v6.sin6_port);
	return -EAFNOSUPPORT;
}

int linux_pipe(int ends[2], int wanted)
{
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	int capacity = fcntl(ends[0], F_SETPIPE_SZ, wanted);
	if (capacity < 0)
		capacity = fcntl(ends[0], F_GETPIPE_SZ);
	return capacity < 0 ? 4096 : capacity;
}

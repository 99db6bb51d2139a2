/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets of the data path, and splice. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A non-blocking TCP socket bound to `address` (16 bytes, IPv4 as ::ffff:a.b.c.d; IPv6 is v6-only). `share` sets
 * SO_REUSEPORT: one listener per worker, the kernel spreads connections. Connects are refused until linux_listen.
 */
int linux_bind(const uint8_t address[16], uint16_t port, int share);

static inline int linux_listen(int fd, int backlog)
{
	return listen(fd, backlog) ? -errno : 0;
}

/*
 * Begins a non-blocking TCP connect. The socket's family is that of the address, v4-mapped being AF_INET. The result
 * is the descriptor; *connected tells whether it stands already. -EADDRNOTAVAIL: the ports that were tried are taken;
 * -ENETUNREACH: there is no way, or no address to connect from.
 */
int linux_connect(const uint8_t address[16], uint16_t port, int *connected);

/* Below those that clients get by themselves, so that no connection of their own has the same address and port. */
#define LINUX_SOURCE_PORT 10000u
#define LINUX_SOURCE_PORTS 22768u

/*
 * The same from an address of somebody else's, of the same family, and one of the ports above, chosen by `draw`. `mint`
 * is a listening socket of this process and that family, which is transparent: sockets that it accepts are so, too, and
 * one of them is made for this and turned round. So a process without any capability can use what its listener was given.
 * -EADDRNOTAVAIL: the mint is not transparent, gave nothing now, or the ports that were tried are taken.
 */
int linux_connect_from(int mint, const uint8_t from[16], const uint8_t address[16], uint16_t port, uint32_t draw,
		       int *connected);

/* The port that a socket is bound to, host order. */
int linux_local_port(int fd);

/* Where a connected socket's peer is, 16 bytes. 0 or a negative errno. */
int linux_peer_address(int fd, uint8_t address[16]);

/* Two sockets connected to one another, stream, non-blocking and close-on-exec. 0 or a negative errno. */
static inline int linux_stream_pair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) ? -errno : 0;
}

/* The next connection, non-blocking and close-on-exec. */
int linux_accept(int listener);

static inline int linux_set_nodelay(int fd)
{
	int on = 1;
	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ? -errno : 0;
}

/* SO_ERROR: how a non-blocking connect ended; 0 or a positive errno. Reading it clears it. */
static inline int linux_socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof error;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length))
		return errno;
	return error;
}

/* Closes with RST and drops what is unsent: the peer learns that this was no orderly end. */
static inline void linux_reset(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(fd);
}

/*
 * Receiving and sending go by syscall(2): recv(3) and send(3) are points where a thread may be cancelled, and pay for that
 * with two locked instructions each. Nobody cancels threads here.
 */
static inline ssize_t linux_recv(int fd, void *bytes, size_t capacity)
{
	ssize_t count = syscall(SYS_recvfrom, fd, bytes, capacity, 0, 0, 0);
	return count < 0 ? -errno : count;
}

static inline ssize_t linux_peek(int fd, void *bytes, size_t capacity)
{
	ssize_t count = recv(fd, bytes, capacity, MSG_PEEK);
	return count < 0 ? -errno : count;
}

/* Takes bytes that were peeked at; of TCP, MSG_TRUNC drops them without a copy. */
static inline void linux_discard(int fd, size_t count)
{
	ssize_t ignored = recv(fd, 0, count, MSG_TRUNC | MSG_DONTWAIT);
	(void)ignored;
}

/* Without SIGPIPE: a gone peer is EPIPE. */
static inline ssize_t linux_send(int fd, const void *bytes, size_t count)
{
	ssize_t sent = syscall(SYS_sendto, fd, bytes, count, MSG_NOSIGNAL, 0, 0);
	return sent < 0 ? -errno : sent;
}

static inline int linux_shut_write(int fd)
{
	return shutdown(fd, SHUT_WR) ? -errno : 0;
}

/* Moves bytes between a pipe and a socket without copying; never blocks on either. */
ssize_t linux_splice(int from, int to, size_t count);

/*
 * A non-blocking pipe for splicing: ends[0] reads, ends[1] writes. Answers its capacity in bytes, which is
 * less than `wanted` when the user's share of pipe memory is used up (/proc/sys/fs/pipe-user-pages-soft).
 */
int linux_pipe(int ends[2], int wanted);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend that does as little as it can, so that what stands before it is what gets measured:
 * one thread, level-triggered epoll, no parsing beyond the end of a request's head.
 *
 *   GET /          a fixed answer with a body of 100 bytes, keep-alive
 *   GET /close     the same, then the connection is closed by this side
 *   GET /bytes/N   N bytes of a pattern after the head, then the connection is closed
 *
 * usage: backend ADDRESS PORT        prints "listening" once it does
 */
#include "answer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 20480
#define HEAD_LIMIT 1024
#define CHUNK (64 * 1024)

struct connection {
	uint32_t head_length;
	int streaming; /* a bulk body is on its way */
	uint64_t sent; /* of that body */
	uint64_t left;
	char head[HEAD_LIMIT];
};

static struct connection connections[MAX_DESCRIPTORS];
static unsigned char pattern[CHUNK + PATTERN_PERIOD];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int epoll, int operation, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	if (epoll_ctl(epoll, operation, fd, &event) != 0)
		die("epoll_ctl");
}

static int listen_on(const char *address, int port)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1)
		die("backend: no such IPv4 address");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0)
		die("backend: bind and listen");
	return fd;
}

static void accept_all(int epoll, int listener)
{
	for (;;) {
		int on = 1, fd = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (fd >= MAX_DESCRIPTORS) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		memset(&connections[fd], 0, offsetof(struct connection, head));
		watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
	}
}

/* Sends what the socket takes. Returns 0 once the body is through or the connection broken. */
static int stream(int fd, struct connection *connection)
{
	while (connection->left > 0) {
		size_t length = connection->left < CHUNK ? (size_t)connection->left : CHUNK;
		ssize_t sent = send(fd, pattern + connection->sent % PATTERN_PERIOD, length, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN;
		connection->sent += (uint64_t)sent;
		connection->left -= (uint64_t)sent;
	}
	return 0;
}

/* Answers one whole head. Returns 0 when the connection is at its end. */
static int answer(int epoll, int fd, struct connection *connection)
{
	char line[96];
	if (strncmp(connection->head, "GET /bytes/", 11) != 0)
		return send(fd, ANSWER, ANSWER_LENGTH, MSG_NOSIGNAL) == (ssize_t)ANSWER_LENGTH &&
		       strncmp(connection->head, "GET /close ", 11) != 0;

	connection->left = strtoull(connection->head + 11, 0, 10);
	connection->streaming = 1;
	int length = snprintf(line, sizeof(line), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
			      (unsigned long long)connection->left);
	if (send(fd, line, (size_t)length, MSG_NOSIGNAL) != length)
		return 0;
	watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
	return 1;
}

/* Reads, answers every whole head. Returns 0 when the connection is at its end. */
static int serve(int epoll, int fd, struct connection *connection)
{
	char *head = connection->head, *end;
	ssize_t got = recv(fd, head + connection->head_length, HEAD_LIMIT - 1 - connection->head_length, 0);
	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	connection->head_length += (uint32_t)got;
	head[connection->head_length] = 0;
	while ((end = strstr(head, "\r\n\r\n")) != 0) {
		if (!answer(epoll, fd, connection))
			return 0;
		connection->head_length -= (uint32_t)(end + 4 - head);
		memmove(head, end + 4, connection->head_length + 1);
	}
	return connection->head_length < HEAD_LIMIT - 1;
}

int main(int count, char **arguments)
{
	struct epoll_event events[256];
	if (count != 3) {
		fprintf(stderr, "usage: backend ADDRESS PORT\n");
		return 2;
	}
	for (uint64_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = pattern_at(i);
	int listener = listen_on(arguments[1], atoi(arguments[2]));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
	puts("listening");
	fflush(stdout);

	for (;;) {
		int ready = epoll_wait(epoll, events, 256, -1);
		if (ready < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd, open = 1;
			if (fd == listener) {
				accept_all(epoll, listener);
				continue;
			}
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				open = serve(epoll, fd, &connections[fd]);
			if (open && connections[fd].streaming)
				open = stream(fd, &connections[fd]);
			if (!open)
				close(fd);
		}
	}
}

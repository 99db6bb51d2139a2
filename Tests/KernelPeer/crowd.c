/* SPDX-License-Identifier: Apache-2.0 */
#include "crowd.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* As many as this process may have. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void echo_for_ever(int listener)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
	int poller = epoll_create1(EPOLL_CLOEXEC);

	allow_descriptors();
	epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
	while (epoll_wait(poller, &event, 1, -1) >= 0 || errno == EINTR) {
		char bytes[4096];
		ssize_t count;

		if (event.data.fd == listener) {
			event.data.fd = accept(listener, NULL, NULL);
			if (event.data.fd >= 0)
				epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event);
			continue;
		}
		count = recv(event.data.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (count > 0)
			send(event.data.fd, bytes, (size_t)count, MSG_NOSIGNAL);
		else if (count == 0 || errno != EAGAIN)
			close(event.data.fd);
	}
}

/* 0 when a byte goes there and comes back, else the errno; ENODATA at the end of the stream. */
static int try_byte(int socket)
{
	struct pollfd waiting = {.fd = socket, .events = POLLIN};
	char byte = '?';
	ssize_t got;

	if (send(socket, &byte, 1, MSG_NOSIGNAL) != 1)
		return errno;
	if (poll(&waiting, 1, 5000) != 1)
		return ETIMEDOUT;
	got = recv(socket, &byte, 1, 0);
	return got == 1 ? 0 : got == 0 ? ENODATA : errno;
}

int crowd(struct target target, int type, int count, const char *later)
{
	int *sockets = calloc((size_t)count, sizeof(*sockets));
	char line[16];

	allow_descriptors();
	for (int i = 0; i < count; i++)
		sockets[i] = socket(target.family, type | SOCK_CLOEXEC, 0);
	enter(later);
	for (int i = 0; i < count; i++) {
		if (connect(sockets[i], (struct sockaddr *)&target.address, target.length) || try_byte(sockets[i])) {
			printf("%d %d\n", i, errno);
			return 1;
		}
	}
	printf("%d 0\n", count);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		int alive = 0, last = 0;

		for (int i = 0; i < count; i++) {
			int error = try_byte(sockets[i]);

			if (error)
				last = error;
			else
				alive++;
		}
		printf("%d %d\n", alive, last);
		fflush(stdout);
	}
	return 0;
}

/* Ends a connection in the way that its number says. */
static void end_somehow(int socket, int number)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr nothing = {.sa_family = AF_UNSPEC};

	switch (number % 4) {
	case 0: /* a reset */
		setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		break;
	case 1: /* disconnected, the socket goes on for a moment */
		connect(socket, &nothing, sizeof(nothing));
		break;
	case 2:
		shutdown(socket, SHUT_WR);
		break;
	}
	close(socket);
}

int churn(struct target target, int count)
{
	int made = 0, refused = 0, killed = 0;

	for (int i = 0; i < count; i++) {
		int client;

		/* Now and then a process that is killed while it has a connection. */
		if (i % 200 == 199) {
			pid_t child = fork();

			if (!child) {
				client = socket(target.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
				connect(client, (struct sockaddr *)&target.address, target.length);
				kill(getpid(), SIGKILL);
			}
			waitpid(child, NULL, 0);
			killed++;
			continue;
		}
		client = socket(target.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(client, (struct sockaddr *)&target.address, target.length))
			refused++;
		else
			made++;
		end_somehow(client, i);
	}
	printf("%d %d %d\n", made, refused, killed);
	return 0;
}

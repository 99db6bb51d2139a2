/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Waits at most ten seconds; 0, or why it is not ready. */
static int wait_for(int socket, short events)
{
	struct pollfd waiting = {.fd = socket, .events = events};
	int error = 0;
	socklen_t length = sizeof(error);

	if (poll(&waiting, 1, 10000) != 1)
		return ETIMEDOUT;
	getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

static int bring_back(int socket, int bytes)
{
	char out[4096], in[4096];
	int error = wait_for(socket, POLLOUT);

	memset(out, 'x', sizeof(out));
	if (!error && send(socket, out, (size_t)bytes, MSG_NOSIGNAL) != bytes)
		error = errno ? errno : EMSGSIZE;
	for (int got = 0; !error && got < bytes;) {
		ssize_t count;

		error = wait_for(socket, POLLIN);
		if (error)
			break;
		count = recv(socket, in, (size_t)(bytes - got), 0);
		if (count <= 0)
			error = count ? errno : ENODATA;
		else
			got += count;
	}
	return error;
}

int sweep(struct target first, int count, int bytes)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&first.address;
	struct rlimit limit;
	int *sockets = calloc((size_t)count, sizeof(*sockets));
	int done = 0, last = 0;

	if (first.family != AF_INET || bytes < 1 || bytes > 4096 || !sockets) {
		fprintf(stderr, "sweep: IPv4 and 1 to 4096 bytes\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < count; i++)
		sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	for (int i = 0; i < count; i++) {
		connect(sockets[i], (struct sockaddr *)address, sizeof(*address));
		address->sin_addr.s_addr = htonl(ntohl(address->sin_addr.s_addr) + 1);
	}
	for (int i = 0; i < count; i++) {
		int error = bring_back(sockets[i], bytes);

		if (error)
			last = error;
		else
			done++;
	}
	printf("%d %d\n", done, last);
	fflush(stdout);
	while (getchar() != EOF)
		;
	for (int i = 0; i < count; i++)
		close(sockets[i]);
	return done == count ? 0 : 1;
}

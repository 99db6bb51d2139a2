/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect(2) and close(2) in a loop: what the hooks on connect cost. The connection is reset, not
 * closed in order, so that no TIME_WAIT fills the port range and the price of finding a port stays
 * the same from the first to the last.
 *
 * With `request` as the last word one request and its answer go over each connection before that.
 *
 * usage: connect ADDRESS PORT SECONDS [request]        reads a line when "ready", prints one line of JSON
 */
#include "answer.h"
#include "sample.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sample sample;

/* One request and the whole of its answer; false: the connection did not carry it. */
static int exchange(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
	char answer[ANSWER_LENGTH];

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof(request) - 1))
		return 0;
	return recv(fd, answer, sizeof(answer), MSG_WAITALL) == (ssize_t)sizeof(answer) &&
	       memcmp(answer, ANSWER, sizeof(answer)) == 0;
}

static void connect_once(const struct sockaddr_in *to, int with_request)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	uint64_t begun = clock_ns(CLOCK_MONOTONIC);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		sample_error(&sample, "connect: %s", strerror(errno));
	else if (with_request && !exchange(fd))
		sample_error(&sample, "exchange: %s", strerror(errno));
	else
		sample_operation(&sample, begun);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
}

int main(int count, char **arguments)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int with_request = count == 5 && strcmp(arguments[4], "request") == 0;
	if ((count != 4 && !with_request) || inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: connect ADDRESS PORT SECONDS [request]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(arguments[2]));
	uint64_t duration = strtoull(arguments[3], 0, 10) * 1000000000u;

	sample_begin(&sample);
	while (clock_ns(CLOCK_MONOTONIC) - sample.started < duration && sample.errors < 100)
		connect_once(&to, with_request);
	sample_end(&sample);
	return 0;
}

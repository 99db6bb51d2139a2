/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect(2) and close(2) in a loop: what the hooks on connect cost. The connection is reset, not
 * closed in order, so that no TIME_WAIT fills the port range and the price of finding a port stays
 * the same from the first to the last.
 *
 *   reset     nothing goes over the connection
 *   request   one request and its answer go over it before the reset
 *   close     one request and its answer, then the server closes, then the client: TIME_WAIT is on the server's side,
 *             where it keeps no client from taking the port again
 *
 * usage: connect ADDRESS PORT SECONDS reset|request|close
 * Reads a line when "ready", prints one line of JSON, reads the next line, until there are no more.
 */
#include "answer.h"
#include "sample.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum mode { RESET, REQUEST, CLOSE };

static struct sample sample;

/* One request and the whole of its answer, and with CLOSE the end of the stream; false: the connection did not carry it. */
static int exchange(int fd, enum mode mode)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
	static const char last_request[] = "GET /close HTTP/1.1\r\nHost: bench\r\n\r\n";
	const char *said = mode == CLOSE ? last_request : request;
	size_t length = (mode == CLOSE ? sizeof(last_request) : sizeof(request)) - 1;
	char answer[ANSWER_LENGTH + 1];

	if (send(fd, said, length, MSG_NOSIGNAL) != (ssize_t)length)
		return 0;
	/* Where one byte more is asked for than there is, the answer's length says that the stream has ended. */
	return recv(fd, answer, ANSWER_LENGTH + (mode == CLOSE), MSG_WAITALL) == (ssize_t)ANSWER_LENGTH &&
	       memcmp(answer, ANSWER, ANSWER_LENGTH) == 0;
}

static void connect_once(const struct sockaddr_in *to, enum mode mode)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	uint64_t begun = clock_ns(CLOCK_MONOTONIC);
	int carried = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		sample_error(&sample, "connect: %s", strerror(errno));
	else if (mode != RESET && !exchange(fd, mode))
		sample_error(&sample, "exchange: %s", strerror(errno));
	else
		carried = 1;
	if (fd >= 0) {
		if (mode != CLOSE)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	if (carried)
		sample_operation(&sample, begun);
}

static int parse_mode(const char *name)
{
	static const char *const names[] = {"reset", "request", "close"};
	for (int i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

int main(int count, char **arguments)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int mode = count == 5 ? parse_mode(arguments[4]) : -1;
	if (mode < 0 || inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: connect ADDRESS PORT SECONDS reset|request|close\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(arguments[2]));
	uint64_t duration = duration_ns(arguments[3]);

	while (sample_begin(&sample)) {
		while (clock_ns(CLOCK_MONOTONIC) - sample.started < duration && sample.errors < 100)
			connect_once(&to, (enum mode)mode);
		sample_end(&sample);
	}
	return 0;
}

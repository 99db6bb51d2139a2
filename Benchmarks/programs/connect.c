/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect(2) and close(2) in a loop: what the hooks on connect cost. The connection is reset, not
 * closed in order, so that no TIME_WAIT fills the port range and the price of finding a port stays
 * the same from the first to the last.
 *
 * usage: connect ADDRESS PORT SECONDS        reads a line when "ready", prints one line of JSON
 */
#include "sample.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sample sample;

static void connect_once(const struct sockaddr_in *to)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	uint64_t begun = clock_ns(CLOCK_MONOTONIC);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		sample_error(&sample, "connect: %s", strerror(errno));
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
	if (count != 4 || inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: connect ADDRESS PORT SECONDS\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(arguments[2]));
	uint64_t duration = strtoull(arguments[3], 0, 10) * 1000000000u;

	sample_begin(&sample);
	while (clock_ns(CLOCK_MONOTONIC) - sample.started < duration && sample.errors < 100)
		connect_once(&to);
	sample_end(&sample);
	return 0;
}

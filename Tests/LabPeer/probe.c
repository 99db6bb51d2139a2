/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "probe.h"
#include "addresses.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The errno of one connection's whole life. */
static int attempt(int domain, const struct sockaddr_storage *to, socklen_t size)
{
	/* The lab's server echoes after this number. */
	struct {
		uint64_t echo;
		unsigned char byte;
	} __attribute__((packed)) request = {UINT64_MAX, 0x5a};
	struct timeval patience = {.tv_sec = 20};
	struct linger reset = {.l_onoff = 1};
	unsigned char back = 0;
	ssize_t got;
	int outcome = 0, fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const void *)to, size) < 0 || send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0) {
		outcome = errno;
	} else {
		got = recv(fd, &back, 1, 0);
		if (got < 0)
			outcome = errno;
		else if (got == 0 || back != request.byte)
			outcome = EPROTO;
	}
	/* Ports in TIME_WAIT would run out. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	return outcome;
}

int probe(const char *family, const char *host, const char *port, long pause, int expected,
	  const volatile sig_atomic_t *stopped)
{
	struct timespec gap = {.tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000};
	long outcomes[256] = {0};
	int64_t start = milliseconds(), first = -1;
	struct sockaddr_storage to;
	socklen_t size;
	int domain = address(family, host, port, &to, &size);

	if (domain < 0) {
		fprintf(stderr, "lab-peer: %s is no address of family %s\n", host, family);
		return 2;
	}
	printf("{\"probing\":true}\n");
	fflush(stdout);
	while (!*stopped) {
		int outcome = attempt(domain, &to, size);

		/* The signal that ends the probe may have cut the last attempt short. */
		if (*stopped && outcome == EINTR)
			break;
		outcomes[outcome & 255]++;
		if (outcome != expected && first < 0)
			first = milliseconds() - start;
		if (pause > 0)
			nanosleep(&gap, NULL);
	}
	printf("{\"milliseconds\":%lld,\"firstWrong\":%lld,\"outcomes\":{", (long long)(milliseconds() - start),
	       (long long)first);
	for (int i = 0, written = 0; i < 256; i++)
		if (outcomes[i])
			printf("%s\"%d\":%ld", written++ ? "," : "", i, outcomes[i]);
	printf("}}\n");
	return 0;
}

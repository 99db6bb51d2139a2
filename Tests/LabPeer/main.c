/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application at either end of a node test: an ordinary program with ordinary sockets that
 * knows nothing of the mesh, and says exactly what it saw, a JSON object a line.
 *
 *   lab-peer serve ADDRESS PORT TAG           answer until killed
 *   lab-peer call FAMILY ADDRESS PORT UP DOWN  send UP patterned bytes, half-close, take DOWN back
 *   lab-peer hold FAMILY ADDRESS PORT          ping a byte to and fro every 5 ms until SIGTERM
 *   lab-peer knock FAMILY ADDRESS PORT COUNT   COUNT connects, one after the other; errnos counted
 *   lab-peer probe FAMILY ADDRESS PORT PAUSE EXPECTED
 *                                              connects until SIGTERM, see probe.h
 *   lab-peer listen ADDRESS PORT               only listen: an impostor
 *   lab-peer answer ADDRESS PORT TAG           answer datagrams until killed
 *   lab-peer ask FAMILY ADDRESS PORT HOW COUNT SIZE   datagrams, HOW connected or unconnected
 *   lab-peer flood FAMILY ADDRESS COUNT        COUNT datagrams, each of a flow of its own
 *   lab-peer sniff MARKER PORT                 read the link until SIGTERM, see sniff.h
 *   lab-peer fell PID POINT FILE changing|every   kill PID at a system call, see fell.h
 *   lab-peer stall PID FILE                    hold PID up before it opens FILE until SIGTERM, see stall.h
 *   lab-peer resolve FAMILY ADDRESS NAME TRANSPORT    one question to a DNS server, TRANSPORT udp or tcp
 *
 * FAMILY is 4, 6 or mapped: the socket's family and how the address is written into it.
 */
#define _GNU_SOURCE
#include "addresses.h"
#include "datagrams.h"
#include "fell.h"
#include "pattern.h"
#include "probe.h"
#include "sniff.h"
#include "stall.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ECHO UINT64_MAX

static volatile sig_atomic_t stopped;
static const char *tag = "";

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static int send_all(int fd, const void *bytes, size_t count)
{
	const char *at = bytes;

	while (count > 0) {
		ssize_t sent = send(fd, at, count, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR && !stopped)
			continue;
		if (sent <= 0)
			return -1;
		at += sent;
		count -= (size_t)sent;
	}
	return 0;
}

static int send_pattern(int fd, uint64_t count)
{
	unsigned char block[65536];
	uint64_t at = 0;

	while (at < count) {
		size_t part = count - at < sizeof(block) ? (size_t)(count - at) : sizeof(block);

		for (size_t i = 0; i < part; i++)
			block[i] = pattern(at + i);
		if (send_all(fd, block, part) < 0)
			return -1;
		at += part;
	}
	return 0;
}

static int recv_exact(int fd, void *into, size_t count)
{
	char *at = into;

	while (count > 0) {
		ssize_t got = recv(fd, at, count, 0);

		if (got < 0 && errno == EINTR && !stopped)
			continue;
		if (got <= 0)
			return -1;
		at += got;
		count -= (size_t)got;
	}
	return 0;
}

/* One connection of the server: 8 bytes say how much is wanted back, then bytes until EOF. */
static void *answer(void *argument)
{
	int fd = (int)(intptr_t)argument;
	unsigned char block[65536];
	uint64_t wanted, bytes = 0, sum = FNV_START;
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	char from[80] = "", line[256];

	if (getpeername(fd, (void *)&peer, &size) == 0)
		text(&peer, from, sizeof(from));
	if (recv_exact(fd, &wanted, sizeof(wanted)) < 0)
		goto out;
	if (wanted == ECHO) {
		ssize_t got;

		while ((got = recv(fd, block, sizeof(block), 0)) > 0)
			if (send_all(fd, block, (size_t)got) < 0)
				break;
		goto out;
	}
	for (;;) {
		ssize_t got = recv(fd, block, sizeof(block), 0);

		if (got < 0)
			goto out;
		if (got == 0)
			break;
		bytes += (uint64_t)got;
		sum = checksum(sum, block, (size_t)got);
	}
	snprintf(line, sizeof(line), "%s %s %llu %016llx", tag, from, (unsigned long long)bytes,
		 (unsigned long long)sum);
	/* A fixed-length answer line: the pattern that follows starts at a known place. */
	memset(block, ' ', 256);
	memcpy(block, line, strlen(line));
	if (send_all(fd, block, 256) == 0)
		send_pattern(fd, wanted);
	shutdown(fd, SHUT_WR);
	while (recv(fd, block, sizeof(block), 0) > 0)
		;
out:
	close(fd);
	return NULL;
}

static int listening(const char *host, const char *port)
{
	struct sockaddr_storage at;
	socklen_t size;
	int one = 1, zero = 0, family = address(strchr(host, ':') ? "6" : "4", host, port, &at, &size);
	int fd = family < 0 ? -1 : socket(family, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (void *)&at, size) < 0 || listen(fd, 4096) < 0)
		return -1;
	size = sizeof(at);
	char name[80];

	getsockname(fd, (void *)&at, &size);
	text(&at, name, sizeof(name));
	printf("{\"listening\":\"%s\"}\n", name);
	fflush(stdout);
	return fd;
}

static int serve(const char *host, const char *port)
{
	int listener = listening(host, port);

	if (listener < 0) {
		printf("{\"errno\":%d}\n", errno);
		return 1;
	}
	while (!stopped) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			continue;
		if (pthread_create(&thread, NULL, answer, (void *)(intptr_t)fd) != 0)
			close(fd);
		else
			pthread_detach(thread);
	}
	return 0;
}

static int connected(const char *family, const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t size;
	int domain = address(family, host, port, &to, &size);
	int fd = domain < 0 ? -1 : socket(domain, SOCK_STREAM, 0);
	struct timeval patience = {.tv_sec = 20};

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (void *)&to, size) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int call(const char *family, const char *host, const char *port, uint64_t up, uint64_t down)
{
	int fd = connected(family, host, port);
	char line[257] = "", peer[80] = "", server[64] = "", seen[80] = "";
	unsigned long long received = 0, sum = 0;
	struct sockaddr_storage there;
	socklen_t size = sizeof(there);
	unsigned char block[65536];
	uint64_t bytes = 0;
	int intact = 1;

	if (fd < 0) {
		printf("{\"errno\":%d,\"stage\":\"connect\"}\n", errno);
		return 1;
	}
	if (getpeername(fd, (void *)&there, &size) == 0)
		text(&there, peer, sizeof(peer));
	if (send_all(fd, &down, sizeof(down)) < 0 || send_pattern(fd, up) < 0 || shutdown(fd, SHUT_WR) < 0) {
		printf("{\"errno\":%d,\"stage\":\"send\"}\n", errno);
		return 1;
	}
	if (recv_exact(fd, line, 256) < 0) {
		printf("{\"errno\":%d,\"stage\":\"answer\"}\n", errno);
		return 1;
	}
	sscanf(line, "%63s %79s %llu %llx", server, seen, &received, &sum);
	for (;;) {
		ssize_t got = recv(fd, block, sizeof(block), 0);

		if (got < 0) {
			printf("{\"errno\":%d,\"stage\":\"receive\"}\n", errno);
			return 1;
		}
		if (got == 0)
			break;
		for (ssize_t i = 0; i < got; i++)
			intact &= block[i] == pattern(bytes + (uint64_t)i);
		bytes += (uint64_t)got;
	}
	close(fd);
	printf("{\"errno\":0,\"stage\":\"done\",\"peer\":\"%s\",\"server\":\"%s\",\"seen\":\"%s\",\"upReceived\":%llu,"
	       "\"upIntact\":%s,\"downReceived\":%llu,\"downIntact\":%s}\n",
	       peer, server, seen, received, sum == pattern_checksum(up) ? "true" : "false",
	       (unsigned long long)bytes, intact && bytes == down ? "true" : "false");
	return 0;
}

static int hold(const char *family, const char *host, const char *port)
{
	int fd = connected(family, host, port), one = 1;
	uint64_t echo = ECHO, count = 0;
	unsigned char byte, back;

	if (fd < 0) {
		printf("{\"errno\":%d,\"stage\":\"connect\"}\n", errno);
		return 1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (send_all(fd, &echo, sizeof(echo)) < 0) {
		printf("{\"errno\":%d,\"stage\":\"send\"}\n", errno);
		return 1;
	}
	printf("{\"holding\":true}\n");
	fflush(stdout);
	while (!stopped) {
		struct timespec pause = {.tv_nsec = 5000000};
		struct timeval patience = {.tv_sec = 5};
		ssize_t got = -1;

		byte = pattern(count);
		if (send_all(fd, &byte, 1) == 0) {
			/* What has been sent comes back, be it over or not: others count it as well. */
			do {
				if (stopped)
					setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
				got = recv(fd, &back, 1, 0);
			} while (got < 0 && errno == EINTR);
		}
		if (got != 1 || back != byte) {
			if (stopped)
				break;
			printf("{\"errno\":%d,\"stage\":\"echo\",\"count\":%llu}\n", errno, (unsigned long long)count);
			return 1;
		}
		count++;
		nanosleep(&pause, NULL);
	}
	printf("{\"errno\":0,\"stage\":\"done\",\"count\":%llu}\n", (unsigned long long)count);
	return 0;
}

static int knock(const char *family, const char *host, const char *port, long count)
{
	long outcomes[256] = {0};

	for (long i = 0; i < count && !stopped; i++) {
		int fd = connected(family, host, port);

		outcomes[fd < 0 ? errno & 255 : 0]++;
		if (fd >= 0) {
			struct linger reset = {.l_onoff = 1};

			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			close(fd);
		}
	}
	printf("{\"outcomes\":{");
	for (int i = 0, first = 1; i < 256; i++)
		if (outcomes[i]) {
			printf("%s\"%d\":%ld", first ? "" : ",", i, outcomes[i]);
			first = 0;
		}
	printf("}}\n");
	return 0;
}

int main(int count, char **arguments)
{
	struct sigaction action = {.sa_handler = stop};
	sigset_t none;

	/* A test's threads may have blocked signals, and a mask is inherited. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (count == 5 && !strcmp(arguments[1], "serve")) {
		tag = arguments[4];
		return serve(arguments[2], arguments[3]);
	}
	if (count == 7 && !strcmp(arguments[1], "call"))
		return call(arguments[2], arguments[3], arguments[4], strtoull(arguments[5], NULL, 10),
			    strtoull(arguments[6], NULL, 10));
	if (count == 5 && !strcmp(arguments[1], "hold"))
		return hold(arguments[2], arguments[3], arguments[4]);
	if (count == 6 && !strcmp(arguments[1], "knock"))
		return knock(arguments[2], arguments[3], arguments[4], strtol(arguments[5], NULL, 10));
	if (count == 7 && !strcmp(arguments[1], "probe"))
		return probe(arguments[2], arguments[3], arguments[4], strtol(arguments[5], NULL, 10),
			     atoi(arguments[6]), &stopped);
	if (count == 4 && !strcmp(arguments[1], "listen")) {
		if (listening(arguments[2], arguments[3]) < 0) {
			printf("{\"errno\":%d}\n", errno);
			return 1;
		}
		while (!stopped)
			pause();
		return 0;
	}
	if (count == 5 && !strcmp(arguments[1], "answer"))
		return datagrams_serve(arguments[2], arguments[3], arguments[4], &stopped);
	if (count == 8 && !strcmp(arguments[1], "ask"))
		return datagrams_ask(arguments[2], arguments[3], arguments[4], arguments[5], atoi(arguments[6]),
				     atoi(arguments[7]));
	if (count == 5 && !strcmp(arguments[1], "flood"))
		return datagrams_flood(arguments[2], arguments[3], strtol(arguments[4], NULL, 10));
	if (count == 4 && !strcmp(arguments[1], "sniff"))
		return sniff(arguments[2], pattern, (unsigned short)atoi(arguments[3]), &stopped);
	if (count == 6 && !strcmp(arguments[1], "resolve"))
		return datagrams_resolve(arguments[2], arguments[3], arguments[4], arguments[5]);
	if (count == 6 && !strcmp(arguments[1], "fell"))
		return fell(atoi(arguments[2]), strtol(arguments[3], NULL, 10), arguments[4],
			    !strcmp(arguments[5], "every"), &stopped);
	if (count == 4 && !strcmp(arguments[1], "stall"))
		return stall(atoi(arguments[2]), arguments[3], &stopped);
	fprintf(stderr, "usage: lab-peer serve|call|hold|knock|probe|listen|sniff …\n");
	return 2;
}

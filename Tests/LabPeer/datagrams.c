/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "datagrams.h"
#include "addresses.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 128
#define MOST 60000

/* A socket that waits for `patience` milliseconds at most. */
static int opened(const char *family, const char *host, const char *port, int type, long patience_ms,
		  struct sockaddr_storage *to, socklen_t *size)
{
	struct timeval patience = {.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000};
	int on = 1;
	int domain = address(family, host, port, to, size);
	int fd = domain < 0 ? -1 : socket(domain, type, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	/* Whether one may send to many is not a question for the peer. */
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	return fd;
}

int datagrams_serve(const char *host, const char *port, const char *tag, const volatile int *stopped)
{
	static char datagram[HEAD + MOST];
	struct sockaddr_storage at;
	socklen_t size;
	int zero = 0, fd = opened(strchr(host, ':') ? "6" : "4", host, port, SOCK_DGRAM, 1000, &at, &size);

	if (fd >= 0)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (fd < 0 || bind(fd, (void *)&at, size) < 0) {
		printf("{\"errno\":%d}\n", errno);
		return 1;
	}
	printf("{\"listening\":\"udp\"}\n");
	fflush(stdout);
	while (!*stopped) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		char seen[80] = "";
		ssize_t got = recvfrom(fd, datagram + HEAD, MOST, 0, (void *)&from, &length);

		if (got < 0)
			continue;
		text(&from, seen, sizeof(seen));
		memset(datagram, 0, HEAD);
		snprintf(datagram, HEAD, "%s %s", tag, seen);
		sendto(fd, datagram, HEAD + (size_t)got, 0, (void *)&from, length);
	}
	return 0;
}

int datagrams_ask(const char *family, const char *host, const char *port, const char *how, int count, int size)
{
	static char question[MOST], answer[HEAD + MOST];
	int connected = !strcmp(how, "connected"), answers = 0, whole = 1;
	char server[64] = "", seen[80] = "", peer[80] = "";
	struct sockaddr_storage to;
	socklen_t length;
	/* One alone is sent to see that nobody answers. */
	int fd = opened(family, host, port, SOCK_DGRAM, count > 1 ? 10000 : 500, &to, &length);

	if (size < 0 || size > MOST)
		return 2;
	if (fd < 0 || (connected && connect(fd, (void *)&to, length) < 0)) {
		printf("{\"errno\":%d,\"stage\":\"connect\",\"answers\":0}\n", errno);
		return 1;
	}
	for (int number = 0; number < count; number++) {
		struct sockaddr_storage from = {0};
		socklen_t from_length = sizeof(from);
		ssize_t sent, got;

		memset(question, 'a' + number % 26, (size_t)size);
		sent = connected ? send(fd, question, (size_t)size, 0)
				 : sendto(fd, question, (size_t)size, 0, (void *)&to, length);
		got = sent < 0 ? -1 : recvfrom(fd, answer, sizeof(answer), 0, (void *)&from, &from_length);
		if (got < 0) {
			printf("{\"errno\":%d,\"stage\":\"%s\",\"answers\":%d}\n", errno, sent < 0 ? "send" : "receive",
			       answers);
			return 1;
		}
		answers++;
		whole &= got == HEAD + size && !memcmp(answer + HEAD, question, (size_t)size);
		sscanf(answer, "%63s %79s", server, seen);
		text(&from, peer, sizeof(peer));
	}
	printf("{\"errno\":0,\"stage\":\"done\",\"answers\":%d,\"whole\":%s,\"server\":\"%s\",\"seen\":\"%s\",\"peer\":\"%s\"}\n",
	       answers, whole ? "true" : "false", server, seen, peer);
	return 0;
}

int datagrams_flood(const char *family, const char *host, long count)
{
	const long ports = 16384; /* there, from 20000 on */
	long sent = 0;
	struct sockaddr_storage to;
	socklen_t length;
	int fd = -1;

	for (; sent < count; sent++) {
		in_port_t port = htons((in_port_t)(20000 + sent % ports));

		if (sent % ports == 0) {
			if (fd >= 0)
				close(fd);
			fd = opened(family, host, "1", SOCK_DGRAM, 1000, &to, &length);
			if (fd < 0)
				break;
		}
		if (to.ss_family == AF_INET)
			((struct sockaddr_in *)&to)->sin_port = port;
		else
			((struct sockaddr_in6 *)&to)->sin6_port = port;
		/* A full queue is not what this is about: the datagram is sent again. */
		while (sendto(fd, "x", 1, 0, (void *)&to, length) < 0)
			if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED && errno != EINTR)
				goto failed;
	}
failed:
	printf("{\"errno\":%d,\"sent\":%ld}\n", sent < count ? errno : 0, sent);
	if (fd >= 0)
		close(fd);
	return sent < count;
}

/* A question for the IPv4 address of a name, with two bytes of room before it; its length without those. */
static size_t question_of(const char *name, unsigned char *out)
{
	unsigned char *at = out + 2 + 12;
	const char *part = name;

	memcpy(out + 2, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
	while (*part) {
		size_t length = strcspn(part, ".");

		*at++ = (unsigned char)length;
		memcpy(at, part, length);
		at += length;
		part += length + (part[length] == '.');
	}
	memcpy(at, "\0\0\1\0\1", 5);
	at += 5;
	return (size_t)(at - out) - 2;
}

int datagrams_resolve(const char *family, const char *host, const char *name, const char *transport)
{
	int tcp = !strcmp(transport, "tcp");
	unsigned char message[512] = {0};
	struct sockaddr_storage to, from = {0};
	socklen_t length, from_length = sizeof(from);
	char peer[80] = "", found[INET_ADDRSTRLEN] = "";
	int fd = opened(family, host, "53", tcp ? SOCK_STREAM : SOCK_DGRAM, 5000, &to, &length);
	size_t size;
	ssize_t got;

	if (strlen(name) > 200)
		return 2;
	size = question_of(name, message);
	message[0] = (unsigned char)(size >> 8);
	message[1] = (unsigned char)size;
	if (fd < 0 || (tcp && connect(fd, (void *)&to, length) < 0) ||
	    (tcp ? send(fd, message, size + 2, MSG_NOSIGNAL)
		 : sendto(fd, message + 2, size, 0, (void *)&to, length)) < 0) {
		printf("{\"errno\":%d,\"stage\":\"send\"}\n", errno);
		return 1;
	}
	memset(message, 0, sizeof(message));
	got = tcp ? recv(fd, message, sizeof(message), 0)
		  : recvfrom(fd, message + 2, sizeof(message) - 2, 0, (void *)&from, &from_length);
	if (got < 0) {
		printf("{\"errno\":%d,\"stage\":\"receive\"}\n", errno);
		return 1;
	}
	if (tcp)
		getpeername(fd, (void *)&from, &from_length);
	else
		got += 2;
	text(&from, peer, sizeof(peer));
	/* One answer: its address is the last four bytes. */
	if (got > 18 && message[2 + 7] == 1)
		inet_ntop(AF_INET, message + got - 4, found, sizeof(found));
	printf("{\"errno\":0,\"stage\":\"done\",\"code\":%d,\"address\":\"%s\",\"peer\":\"%s\"}\n", message[2 + 3] & 15, found,
	       peer);
	return 0;
}

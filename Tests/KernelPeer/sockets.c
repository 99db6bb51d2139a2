/* SPDX-License-Identifier: Apache-2.0 */
#include "sockets.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char zeros[1 << 16];

void enter(const char *cgroup)
{
	char path[4096], pid[16];
	int file, length;

	if (!strcmp(cgroup, "-"))
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	length = snprintf(pid, sizeof(pid), "%d", getpid());
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0 || write(file, pid, length) != length) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	close(file);
}

struct target target_of(const char *family, const char *address, const char *port)
{
	struct target target = {0};
	char text[INET6_ADDRSTRLEN + 8];
	bool ok;

	if (!strcmp(family, "4")) {
		struct sockaddr_in *in = (struct sockaddr_in *)&target.address;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		ok = inet_pton(AF_INET, address, &in->sin_addr) == 1;
		target.length = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&target.address;

		snprintf(text, sizeof(text), "%s%s", strcmp(family, "mapped") ? "" : "::ffff:", address);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)atoi(port));
		ok = inet_pton(AF_INET6, text, &in6->sin6_addr) == 1;
		target.length = sizeof(*in6);
	}
	if (!ok) {
		fprintf(stderr, "%s is no address of family %s\n", address, family);
		exit(2);
	}
	target.family = target.address.ss_family;
	return target;
}

struct target plain_target(const char *address, const char *port)
{
	return target_of(strchr(address, ':') ? "6" : "4", address, port);
}

void print_address(const struct sockaddr_storage *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		printf("%s %u", text, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		printf("%s %u", text, ntohs(in6->sin6_port));
	}
}

bool send_exactly(int socket, uint64_t count)
{
	while (count > 0) {
		size_t part = count < sizeof(zeros) ? (size_t)count : sizeof(zeros);
		ssize_t sent = send(socket, zeros, part, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		count -= (uint64_t)sent;
	}
	return true;
}

bool take_exactly(int socket, uint64_t count)
{
	char scratch[1 << 16];

	while (count > 0) {
		size_t part = count < sizeof(scratch) ? (size_t)count : sizeof(scratch);
		ssize_t got = recv(socket, scratch, part, 0);

		if (got <= 0)
			return false;
		count -= (uint64_t)got;
	}
	return true;
}

bool at_end(int socket)
{
	char byte;

	return recv(socket, &byte, 1, 0) == 0;
}

void reset_on_close(int socket)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

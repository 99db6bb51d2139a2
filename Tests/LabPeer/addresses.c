/* SPDX-License-Identifier: Apache-2.0 */
#include "addresses.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text(const struct sockaddr_storage *from, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in = (const void *)from;

		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host, ntohs(in->sin6_port));
	}
}

int address(const char *family, const char *host, const char *port, struct sockaddr_storage *into,
		   socklen_t *size)
{
	memset(into, 0, sizeof(*into));
	if (!strcmp(family, "4")) {
		struct sockaddr_in *in = (void *)into;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		*size = sizeof(*in);
		return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? AF_INET : -1;
	}
	struct sockaddr_in6 *in = (void *)into;
	char mapped[80];

	if (!strcmp(family, "mapped")) {
		snprintf(mapped, sizeof(mapped), "::ffff:%s", host);
		host = mapped;
	}
	in->sin6_family = AF_INET6;
	in->sin6_port = htons((uint16_t)atoi(port));
	*size = sizeof(*in);
	return inet_pton(AF_INET6, host, &in->sin6_addr) == 1 ? AF_INET6 : -1;
}

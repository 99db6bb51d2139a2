/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sniff.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Is it TCP over IPv4 or IPv6 without options, from or to this port? */
static int is_of_port(const unsigned char *frame, size_t size, unsigned short port)
{
	size_t at = ETH_HLEN;
	unsigned short protocol, source, destination;

	if (size < ETH_HLEN + 44)
		return 0;
	memcpy(&protocol, frame + 12, 2);
	if (ntohs(protocol) == ETH_P_IP && frame[at + 9] == IPPROTO_TCP)
		at += (frame[at] & 15) * 4u;
	else if (ntohs(protocol) == ETH_P_IPV6 && frame[at + 6] == IPPROTO_TCP)
		at += 40;
	else
		return 0;
	if (at + 4 > size)
		return 0;
	memcpy(&source, frame + at, 2);
	memcpy(&destination, frame + at + 2, 2);
	return ntohs(source) == port || ntohs(destination) == port;
}

int sniff(const char *marker, unsigned char (*pattern)(uint64_t), unsigned short port,
	  const volatile sig_atomic_t *stopped)
{
	unsigned char start[16];
	static unsigned char frame[1 << 18];
	unsigned long long frames = 0, bytes = 0, markers = 0, patterns = 0, tunnelled = 0;
	struct timeval patience = {.tv_usec = 50000};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), room = 256 << 20;

	for (size_t i = 0; i < sizeof(start); i++)
		start[i] = pattern(i);
	if (fd < 0) {
		printf("{\"errno\":%d}\n", errno);
		return 1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	printf("{\"listening\":true}\n");
	fflush(stdout);
	/* What waits when it is asked to stop is looked at, too. */
	for (;;) {
		ssize_t got = recv(fd, frame, sizeof(frame), 0);

		if (got < 0) {
			if (*stopped)
				break;
			continue;
		}
		frames++;
		bytes += (unsigned long long)got;
		markers += memmem(frame, (size_t)got, marker, strlen(marker)) != NULL;
		patterns += memmem(frame, (size_t)got, start, sizeof(start)) != NULL;
		tunnelled += is_of_port(frame, (size_t)got, port);
	}
	printf("{\"frames\":%llu,\"bytes\":%llu,\"markers\":%llu,\"patterns\":%llu,\"tunnelled\":%llu}\n", frames, bytes,
	       markers, patterns, tunnelled);
	return 0;
}

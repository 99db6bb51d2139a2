/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses of both families, as text and from text. */
#pragma once
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

/* Writes `from` as ADDRESS:PORT, IPv6 in brackets. */
void text(const struct sockaddr_storage *from, char *out, size_t size);

/* Makes a socket address of a family (4, 6 or mapped: an IPv4 address in an IPv6 socket), an address
 * and a port. Returns the family for socket(2), or -1 when it is no such address. */
int address(const char *family, const char *host, const char *port, struct sockaddr_storage *into, socklen_t *size);

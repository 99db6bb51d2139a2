/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, cgroups and exact transfers for the programs at either end of a kernel test. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address as connect() takes it. */
struct target {
	struct sockaddr_storage address;
	socklen_t length;
	int family;
};

/* Moves this process into a cgroup; "-" for none. Sockets made from now on belong to it. Ends the
 * process with a message when that fails. */
void enter(const char *cgroup);

/* FAMILY is 4, 6 or mapped: the socket's family and how the address is written into it. */
struct target target_of(const char *family, const char *address, const char *port);

/* The same with the family that the address has; an IPv6 socket of it shall be IPv6-only. */
struct target plain_target(const char *address, const char *port);

/* Prints the address and port of `address`, one space between them, no line end. */
void print_address(const struct sockaddr_storage *address);

/* Sends or takes exactly `count` bytes; false on the end of the stream or an error. */
bool send_exactly(int socket, uint64_t count);
bool take_exactly(int socket, uint64_t count);

/* Whether the peer has ended its direction properly. */
bool at_end(int socket);

/* Makes close() reset the connection. */
void reset_on_close(int socket);

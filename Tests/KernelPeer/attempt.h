/* SPDX-License-Identifier: Apache-2.0 */
/* What the attempts of dodge.h share. */
#pragma once
#include "sockets.h"

/* Port of the server, at every spelling of this node. */
extern int server_port;

/* Print the outcome, with the step that decided and its errno. Answer 0. */
int through(const char *step);
int refused(const char *step);

/* A place, in this family; and the server at its plainest address. */
struct target at(const char *family, const char *address, int port);
struct target plainly(void);

/* Tries what is to be sent by datagrams without a connection; -1: no such attempt. */
int attempt_by_datagram(const char *attempt);

/* SPDX-License-Identifier: Apache-2.0 */
/* The UDP side of the lab's peer. */
#pragma once

/* Answers each datagram with the tag, the sender's address as seen here and the datagram itself, until `stopped`. */
int datagrams_serve(const char *host, const char *port, const char *tag, const volatile int *stopped);

/* Sends COUNT datagrams of SIZE bytes, one after the other, each with its answer awaited; `how` is "connected" or
 * "unconnected". Says from whom the answers came and whether they were whole. */
int datagrams_ask(const char *family, const char *host, const char *port, const char *how, int count, int size);

/* Asks a DNS server for the IPv4 address of a name, over "udp" or "tcp". */
int datagrams_resolve(const char *family, const char *host, const char *name, const char *transport);

/* Sends COUNT datagrams to as many pairs of a port here and a port there, so that each is a flow of its own. No answer
 * is awaited. */
int datagrams_flood(const char *family, const char *host, long count);

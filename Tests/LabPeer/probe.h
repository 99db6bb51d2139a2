/* SPDX-License-Identifier: Apache-2.0 */
/* Connects for as long as a test runs: the witness of every moment that somebody is let in or kept out. */
#pragma once
#include <signal.h>

/*
 * Every `pause` milliseconds until `*stopped`: connect, send a byte to the lab's server, take it back. Prints how
 * often each errno came, 0 for those that got their byte back, EPROTO for a wrong byte or an early end, and how many
 * milliseconds into the probe the first outcome came that is not `expected` (-1: none did).
 */
int probe(const char *family, const char *host, const char *port, long pause, int expected,
	  const volatile sig_atomic_t *stopped);

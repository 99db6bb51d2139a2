/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a link, as somebody between two nodes would. */
#pragma once
#include <signal.h>
#include <stdint.h>

/*
 * Until `*stopped`: takes every frame of every interface of its network namespace, and looks for `marker` and for
 * the pattern's first bytes in it. Prints a line when it has begun, and at the end how many frames and bytes there were, in how many frames
 * each was found, and how many frames were of TCP port `port`.
 */
int sniff(const char *marker, unsigned char (*pattern)(uint64_t), unsigned short port,
	  const volatile sig_atomic_t *stopped);

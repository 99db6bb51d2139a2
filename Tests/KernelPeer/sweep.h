/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to many addresses at once. */
#pragma once
#include "sockets.h"

/* Connects to the IPv4 address and the `count` - 1 after it, all at once, sends `bytes` over each, takes them back from an
 * echo, and prints "DONE ERRNO": how many brought all of it back, and why the last one that did not. Then it waits for the
 * end of its input, and closes all. */
int sweep(struct target first, int count, int bytes);

/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections at once, that stay open. */
#pragma once
#include "sockets.h"

/* Sends back what comes over the connections of a listener. Does not return. */
void echo_for_ever(int listener);

/* Opens `count` connections over each of which a byte came back, and prints "COUNT 0", or "OPENED ERRNO" when one does
 * not. Then, for each line of input, tries all of them with one byte and prints "ALIVE ERRNO": how many brought it back, and
 * why the last one that did not. `later`: the sockets are made before this process enters that cgroup, and connected
 * after; "-" for none. */
int crowd(struct target target, int type, int count, const char *later);

/* Makes so many connections one after the other and ends each in another way: closed, reset, disconnected, half closed,
 * its process killed. Prints how many were made, how many refused, and how many processes were killed. */
int churn(struct target target, int count);

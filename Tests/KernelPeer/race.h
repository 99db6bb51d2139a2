/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that follow one another so closely that one could be taken for the other. */
#pragma once
#include "sockets.h"

/*
 * Two processes connect in turn, `count` times each, from one and the same port: the first in the cgroup that this
 * process has entered, the second in `other`. Each resets its connection as soon as a byte went there and back, and the
 * other one connects in that moment. Prints "FIRST SECOND MICROSECONDS": how many got through of each, and the median time
 * between one's end and the other's connect.
 */
int take_turns(struct target target, const char *other, int count);

/* Connects a socket to its own port, and holds it until the input ends. Prints "ERRNO". */
int connect_to_itself(struct target target);

/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers both ways at once over sockets that wait in no call, each byte known by its place. */
#pragma once
#include "sockets.h"

/* Serves `mingle` on the connections of a listener, a thread each. Does not return. */
void mingle_for_ever(int listener);

/* So many transfers one after the other, with sizes and pauses drawn from `seed`; `protocol`: of the socket. Prints
 * "INTACT UP DOWN": how many were intact, and the bytes of all of them. With `pause` only one of 48 MiB, of which the other end
 * reads nothing for so many ms: then it prints "stalled BYTES" before, as soon as it may write no more. */
int mingle(struct target target, int count, unsigned seed, int protocol, unsigned pause);

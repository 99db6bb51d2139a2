/* SPDX-License-Identifier: Apache-2.0 */
/* Holds a process up between two of its system calls: the moment in which somebody else comes between them. */
#pragma once
#include <signal.h>

/*
 * Traces all threads of a process and prints {"ready":true}. The first thread that opens a file whose path ends with
 * `ending` is held before it does, and {"stalled":true} is printed; the others go on. With `*stopped` it goes on, too.
 */
int stall(int pid, const char *ending, const volatile sig_atomic_t *stopped);

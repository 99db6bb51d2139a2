/* SPDX-License-Identifier: Apache-2.0 */
/* Ends a process at a system call of its own: the crash that comes at the worst moment, for every moment. */
#pragma once
#include <signal.h>

/*
 * Traces all threads of a process and prints {"ready":true}. From its first opening of a file whose path ends with
 * `trigger` on, counts the calls that change something outside of the process, or `every` call, and kills it before
 * the `point`-th of them is carried out. What it does between two calls that change something dies with it. At its
 * end, or with `*stopped`, prints how many were counted and what the last was.
 */
int fell(int pid, long point, const char *trigger, int every, const volatile sig_atomic_t *stopped);

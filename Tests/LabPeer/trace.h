/* SPDX-License-Identifier: Apache-2.0 */
/* Another process's system calls, by ptrace(2). */
#pragma once
#include <sys/ptrace.h>

/* Takes hold of all threads of a process, and of those that they make. Answers how many there were; below 1: errno. */
int trace_seize(int pid);

/* Whether a call that is just entered opens a file whose path ends so. */
int trace_opens(int pid, const struct __ptrace_syscall_info *call, const char *ending);

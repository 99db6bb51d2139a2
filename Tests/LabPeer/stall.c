/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "stall.h"
#include "trace.h"
#include <errno.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int stall(int pid, const char *ending, const volatile sig_atomic_t *stopped)
{
	struct sigaction action;
	int stalled = 0, status;

	/* A wait must end with the signal. */
	sigaction(SIGTERM, NULL, &action);
	action.sa_flags &= ~SA_RESTART;
	sigaction(SIGTERM, &action, NULL);
	if (trace_seize(pid) <= 0) {
		printf("{\"errno\":%d}\n", errno);
		return 1;
	}
	printf("{\"ready\":true}\n");
	while (!*stopped) {
		struct __ptrace_syscall_info call;
		int thread = waitpid(-1, &status, __WALL), signal = 0;

		if (thread < 0 && errno == EINTR)
			continue;
		if (thread < 0)
			break;
		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (!stalled && ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(call), &call) > 0 &&
			    call.op == PTRACE_SYSCALL_INFO_ENTRY && trace_opens(pid, &call, ending)) {
				stalled = 1;
				printf("{\"stalled\":true}\n");
				continue;
			}
		} else if (status >> 16 == 0) {
			signal = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, thread, 0, signal);
	}
	/* Who traces and ends lets go of all, the one that is held among them. */
	return 0;
}

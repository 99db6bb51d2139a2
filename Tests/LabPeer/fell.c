/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "fell.h"
#include "trace.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether a call of bpf() only looks. */
static int only_looks(uint64_t command)
{
	switch (command) {
	case BPF_MAP_LOOKUP_ELEM:
	case BPF_MAP_GET_NEXT_KEY:
	case BPF_MAP_LOOKUP_BATCH:
	case BPF_OBJ_GET:
	case BPF_OBJ_GET_INFO_BY_FD:
	case BPF_PROG_QUERY:
	case BPF_PROG_GET_NEXT_ID:
	case BPF_MAP_GET_NEXT_ID:
	case BPF_LINK_GET_NEXT_ID:
	case BPF_BTF_GET_NEXT_ID:
	case BPF_PROG_GET_FD_BY_ID:
	case BPF_MAP_GET_FD_BY_ID:
	case BPF_LINK_GET_FD_BY_ID:
	case BPF_BTF_GET_FD_BY_ID:
		return 1;
	default:
		return 0;
	}
}

/* Whether the descriptor wakes only threads of the process itself. */
static int is_own(int pid, uint64_t descriptor)
{
	char link[64], target[64] = "";

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, (int)descriptor);
	if (readlink(link, target, sizeof(target) - 1) < 0)
		return 0;
	return !strncmp(target, "anon_inode:[event", 17) || !strncmp(target, "pipe:", 5);
}

static int matters(int pid, const struct __ptrace_syscall_info *call)
{
	switch (call->entry.nr) {
	case SYS_bpf:
		return !only_looks(call->entry.args[0]);
	case SYS_write:
	case SYS_writev:
	case SYS_pwrite64:
		return !is_own(pid, call->entry.args[0]);
	case SYS_openat:
		return (call->entry.args[2] & (O_CREAT | O_TRUNC)) != 0;
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_ftruncate:
	case SYS_fchmod:
	case SYS_chmod:
	case SYS_fchown:
	case SYS_chown:
	case SYS_rename:
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_link:
	case SYS_linkat:
	case SYS_symlink:
	case SYS_unlink:
	case SYS_unlinkat:
	case SYS_mkdir:
	case SYS_mkdirat:
	case SYS_rmdir:
	case SYS_bind:
	case SYS_listen:
	case SYS_setsockopt:
	case SYS_kill:
		return 1;
	default:
		return 0;
	}
}

int fell(int pid, long point, const char *trigger, int every, const volatile sig_atomic_t *stopped)
{
	struct sigaction action;
	long counted = 0;
	uint64_t last = 0, command = 0;
	int counting = 0, felled = 0, status;

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
			if (!felled && ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(call), &call) > 0 &&
			    call.op == PTRACE_SYSCALL_INFO_ENTRY) {
				counting |= trace_opens(pid, &call, trigger);
				if (counting && (every || matters(pid, &call))) {
					last = call.entry.nr;
					command = call.entry.args[0];
					felled = ++counted == point;
					if (felled)
						kill(pid, SIGKILL);
				}
			}
		} else if (status >> 16 == 0) {
			signal = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, thread, 0, signal);
	}
	printf("{\"counted\":%ld,\"felled\":%s,\"call\":%llu,\"first\":%llu}\n", counted, felled ? "true" : "false",
	       (unsigned long long)last, (unsigned long long)command);
	return 0;
}

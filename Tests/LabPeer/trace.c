/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "trace.h"
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define MANY_THREADS 256

int trace_opens(int pid, const struct __ptrace_syscall_info *call, const char *ending)
{
	char path[1024] = "";
	struct iovec here = {path, sizeof(path) - 1}, there = {(void *)call->entry.args[1], sizeof(path) - 1};
	size_t length, wanted = strlen(ending);

	if (call->entry.nr != SYS_openat)
		return 0;
	/* What lies behind the path may not be readable. */
	while (process_vm_readv(pid, &here, 1, &there, 1, 0) < 0 && errno == EFAULT && there.iov_len > 64)
		here.iov_len = there.iov_len = there.iov_len / 2;
	length = strlen(path);
	return length >= wanted && !strcmp(path + length - wanted, ending);
}

int trace_seize(int pid)
{
	int held[MANY_THREADS], count = 0, before = -1;
	char folder[64];

	snprintf(folder, sizeof(folder), "/proc/%d/task", pid);
	while (before != count) {
		DIR *tasks = opendir(folder);
		struct dirent *entry;

		before = count;
		if (!tasks)
			return -1;
		while ((entry = readdir(tasks)) && count < MANY_THREADS) {
			int thread = atoi(entry->d_name), known = thread == 0;

			for (int i = 0; i < count; i++)
				known |= held[i] == thread;
			if (known)
				continue;
			/* EPERM: made by a thread that was held already, and so held itself. */
			if (ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) == 0)
				ptrace(PTRACE_INTERRUPT, thread, 0, 0);
			held[count++] = thread;
		}
		closedir(tasks);
	}
	return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "linux_memory.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mapping {
	uintptr_t from, to;
};

/* More files than a program of this mesh maps. */
enum { MOST = 128 };

/* Whether a line of /proc/self/smaps begins a mapping; if so, whether that is of a file and cannot be written to. */
static int begins(const char *line, struct mapping *mapping, int *is_candidate)
{
	unsigned long from, to, inode;
	char rights[5];

	if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &from, &to, rights, &inode) != 4)
		return 0;
	mapping->from = from;
	mapping->to = to;
	*is_candidate = inode && rights[1] == '-';
	return 1;
}

/* Whether a line counts pages that are no longer the file's: relocated data, probes, and what of that was swapped out. */
static int has_own(const char *line)
{
	unsigned long amount;

	return (sscanf(line, "Anonymous: %lu", &amount) == 1 || sscanf(line, "Swap: %lu", &amount) == 1) && amount;
}

int linux_release_file_pages(void)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	struct mapping found[MOST], current = {0, 0};
	int count = 0, is_candidate = 0, released = 0;
	char *line = 0;
	size_t room = 0;

	if (!file)
		return -1;
	while (getline(&line, &room, file) > 0) {
		if (begins(line, &current, &is_candidate))
			continue;
		if (has_own(line))
			is_candidate = 0;
		/* The last line of each. */
		if (is_candidate && count < MOST && !strncmp(line, "VmFlags:", 8))
			found[count++] = current;
	}
	free(line);
	fclose(file);
	/* All at once: what reads that file is in these pages, too. */
	for (int index = 0; index < count; index++)
		released += !madvise((void *)found[index].from, found[index].to - found[index].from, MADV_DONTNEED);
	return released;
}

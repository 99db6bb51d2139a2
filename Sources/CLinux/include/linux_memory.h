/* SPDX-License-Identifier: Apache-2.0 */
/* Memory shared with other processes, and zero-filled memory that costs nothing until touched. */
#pragma once
#include <malloc.h>
#include <stddef.h>
#include <sys/mman.h>

/* MAP_FAILED is no Swift value: NULL here, with errno set. */
static inline void *linux_map_file(int fd, size_t length, int writable)
{
	void *at = mmap(0, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? 0 : at;
}

static inline void *linux_map_zeros(size_t length)
{
	void *at = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return at == MAP_FAILED ? 0 : at;
}

static inline void linux_unmap(void *at, size_t length)
{
	munmap(at, length);
}

/* Gives memory that was freed back to the system, also from between what is still in use. Takes milliseconds: for
 * after a large transient, not for a busy path. */
static inline void linux_trim_memory(void) { malloc_trim(0); }

/* Keeps large transients out of the heap: blocks from 256 KB on are mapped by themselves, so that the system gets each
 * back when it is freed. glibc would raise that limit with the first of them to be freed, and leave its holes between what
 * stays. Threads share two heaps, as far as they have none of their own yet. */
static inline void linux_map_large_blocks(void)
{
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_ARENA_MAX, 2);
}

/* Gives back the pages of programs and libraries that this process has mapped, as far as nothing of its own is in them:
 * they come back from the file when they are used. Answers how many mappings that were; -1 when they cannot be read.
 * Takes milliseconds. Nobody may take mappings away meanwhile, by dlclose() for instance. */
int linux_release_file_pages(void);

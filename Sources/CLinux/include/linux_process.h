/* SPDX-License-Identifier: Apache-2.0 */
/* Processes born in their cgroup, and descriptors that name processes. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

enum linux_spawn_flag {
	/* no_new_privs, no supplementary groups, `uid` and `gid`, and not one capability left. */
	LINUX_SPAWN_UNPRIVILEGED = 1,
	/* A session of its own: signals of the caller's terminal do not reach it. */
	LINUX_SPAWN_SESSION = 2,
};

struct linux_spawn {
	const char *path;	/* of the executable; not searched in PATH */
	char *const *arguments; /* argv, ends with NULL */
	char *const *environment; /* ends with NULL */
	const char *directory;	/* working directory; NULL: the caller's */
	/* Descriptor i of the new process is descriptors[i] of the caller; -1 means /dev/null. All others are closed. */
	const int *descriptors;
	int descriptor_count;
	int cgroup; /* descriptor of a cgroup v2 directory where the process begins its life; -1: the caller's */
	uint32_t flags; /* enum linux_spawn_flag */
	uid_t uid;
	gid_t gid;
};

/* What was being done when a spawn failed. */
enum linux_spawn_step {
	LINUX_SPAWN_STEP_NONE = 0,
	LINUX_SPAWN_STEP_PIPE = 1,
	LINUX_SPAWN_STEP_CLONE = 2,   /* clone3 into the cgroup */
	LINUX_SPAWN_STEP_SESSION = 3,
	LINUX_SPAWN_STEP_DESCRIPTORS = 4,
	LINUX_SPAWN_STEP_DIRECTORY = 5,
	LINUX_SPAWN_STEP_PRIVILEGES = 6,
	LINUX_SPAWN_STEP_EXEC = 7,
};

struct linux_spawned {
	pid_t pid;
	int process; /* pidfd: readable when the process has ended */
	int step;    /* enum linux_spawn_step, when the call failed */
};

/*
 * Starts a program with clone3: it is in its cgroup from its first instruction, so that none of its sockets
 * escapes the cgroup's hooks. Returns after the exec: 0, or the negative errno with `out->step`.
 * No signal is tied to the caller's death. Signal mask and dispositions of the new process are the defaults.
 */
int linux_spawn(const struct linux_spawn *what, struct linux_spawned *out);

/* The name of a step, for messages. */
const char *linux_spawn_step_name(int step);

/* A descriptor for a running process, close-on-exec. */
int linux_pidfd_open(pid_t pid);

/* Sends a signal to exactly the process that the descriptor names. */
int linux_pidfd_signal(int process, int number);

/*
 * Reaps a child by its pidfd without blocking: 1 with its exit status (0–255) or, when killed by a
 * signal, 256 + the signal's number in *status; 0 when it still runs.
 */
int linux_pidfd_reap(int process, int *status);

/* On how many CPUs this process may run: affinity and cpuset decide that, not what the machine has. At least 1. */
int linux_usable_cpus(void);

/* The calling thread's name in /proc and top; 15 bytes of it are kept. */
void linux_name_thread(const char *name);

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "linux_process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* What the child writes into the report pipe when it cannot go on; nothing is written on success. */
struct report {
	int step;
	int error;
};

/*
 * Everything from here to `execve` runs in a copy of a process that may have had other threads: only
 * calls that are safe after fork in such a process, and raw ones where glibc would consult its threads.
 */
static void give_up(int report, int step, int error)
{
	struct report what = {.step = step, .error = error};
	ssize_t ignored = write(report, &what, sizeof what);
	(void)ignored;
	_exit(127);
}

static void reset_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	/* glibc keeps 32 and 33 for itself and refuses them, which is as well. */
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &standard, 0);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, 0);
}

/* Moves the descriptors to their places in two steps, so that no place is overwritten before it was copied. */
static int place_descriptors(const struct linux_spawn *what, int report)
{
	int moved[what->descriptor_count > 0 ? what->descriptor_count : 1];
	int null = -1;
	for (int index = 0; index < what->descriptor_count; index++) {
		int from = what->descriptors[index];
		if (from < 0) {
			if (null < 0)
				null = open("/dev/null", O_RDWR | O_CLOEXEC);
			from = null;
		}
		moved[index] = fcntl(from, F_DUPFD_CLOEXEC, what->descriptor_count);
		if (moved[index] < 0)
			return -1;
	}
	for (int index = 0; index < what->descriptor_count; index++)
		if (dup2(moved[index], index) < 0)
			return -1;
	/* The report pipe has to live until exec; it and all above the list are close-on-exec then. */
	if (report > what->descriptor_count &&
	    syscall(SYS_close_range, (unsigned)what->descriptor_count, (unsigned)report - 1, 0) < 0)
		return -1;
	return (int)syscall(SYS_close_range, (unsigned)report + 1, ~0u, 0);
}

static int drop_privileges(const struct linux_spawn *what)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	/* Without CAP_SETPCAP this fails; no_new_privs keeps exec from giving back what capset takes. */
	for (int capability = 0; capability <= 63; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* A caller that is already that user may lack CAP_SETGID: then its groups are its own affair. */
	if (syscall(SYS_setgroups, 0, 0) && geteuid() != what->uid)
		return -1;
	if (syscall(SYS_setresgid, what->gid, what->gid, what->gid) ||
	    syscall(SYS_setresuid, what->uid, what->uid, what->uid))
		return -1;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	return (int)syscall(SYS_capset, &header, none);
}

static void become(const struct linux_spawn *what, int report)
{
	if ((what->flags & LINUX_SPAWN_SESSION) && setsid() < 0)
		give_up(report, LINUX_SPAWN_STEP_SESSION, errno);
	/* Out of the way of the places to fill; fails only when descriptors ran out. */
	int kept = fcntl(report, F_DUPFD_CLOEXEC, what->descriptor_count);
	if (kept < 0)
		give_up(report, LINUX_SPAWN_STEP_DESCRIPTORS, errno);
	if (place_descriptors(what, kept))
		give_up(kept, LINUX_SPAWN_STEP_DESCRIPTORS, errno);
	if (what->directory && chdir(what->directory))
		give_up(kept, LINUX_SPAWN_STEP_DIRECTORY, errno);
	if ((what->flags & LINUX_SPAWN_UNPRIVILEGED) && drop_privileges(what))
		give_up(kept, LINUX_SPAWN_STEP_PRIVILEGES, errno);
	reset_signals();
	execve(what->path, what->arguments, what->environment);
	give_up(kept, LINUX_SPAWN_STEP_EXEC, errno);
}

static int failed(struct linux_spawned *out, int step, int error)
{
	out->step = step;
	return -error;
}

int linux_spawn(const struct linux_spawn *what, struct linux_spawned *out)
{
	int pipe[2], process = -1;
	out->pid = -1;
	out->process = -1;
	out->step = LINUX_SPAWN_STEP_NONE;
	if (what->descriptor_count < 0 || what->descriptor_count > 64)
		return failed(out, LINUX_SPAWN_STEP_DESCRIPTORS, EINVAL);
	if (pipe2(pipe, O_CLOEXEC))
		return failed(out, LINUX_SPAWN_STEP_PIPE, errno);

	struct clone_args how = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&process,
		.exit_signal = SIGCHLD,
	};
	if (what->cgroup >= 0) {
		how.flags |= CLONE_INTO_CGROUP;
		how.cgroup = (uint64_t)what->cgroup;
	}

	/* No handler of the caller may run in the child between clone and the reset of its signals. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	long pid = syscall(SYS_clone3, &how, sizeof how);
	int error = errno;
	if (pid == 0)
		become(what, pipe[1]);
	pthread_sigmask(SIG_SETMASK, &before, 0);
	close(pipe[1]);
	if (pid < 0) {
		close(pipe[0]);
		return failed(out, LINUX_SPAWN_STEP_CLONE, error);
	}

	struct report report;
	ssize_t got;
	do
		got = read(pipe[0], &report, sizeof report);
	while (got < 0 && errno == EINTR);
	close(pipe[0]);
	if (got == (ssize_t)sizeof report) {
		siginfo_t ended;
		while (waitid(P_PIDFD, (id_t)process, &ended, WEXITED) && errno == EINTR)
			;
		close(process);
		return failed(out, report.step, report.error);
	}
	out->pid = (pid_t)pid;
	out->process = process;
	return 0;
}

const char *linux_spawn_step_name(int step)
{
	switch (step) {
	case LINUX_SPAWN_STEP_PIPE:
		return "making the report pipe";
	case LINUX_SPAWN_STEP_CLONE:
		return "creating the process in its cgroup";
	case LINUX_SPAWN_STEP_SESSION:
		return "starting a session";
	case LINUX_SPAWN_STEP_DESCRIPTORS:
		return "placing its descriptors";
	case LINUX_SPAWN_STEP_DIRECTORY:
		return "changing its directory";
	case LINUX_SPAWN_STEP_PRIVILEGES:
		return "dropping its privileges";
	case LINUX_SPAWN_STEP_EXEC:
		return "executing the program";
	default:
		return "nothing";
	}
}

int linux_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? -errno : (int)fd;
}

int linux_pidfd_signal(int process, int number)
{
	return syscall(SYS_pidfd_send_signal, process, number, 0, 0) < 0 ? -errno : 0;
}

int linux_pidfd_reap(int process, int *status)
{
	siginfo_t ended = {0};
	if (waitid(P_PIDFD, (id_t)process, &ended, WEXITED | WNOHANG))
		return -errno;
	if (ended.si_pid == 0)
		return 0;
	*status = ended.si_code == CLD_EXITED ? ended.si_status : 256 + ended.si_status;
	return 1;
}

void linux_name_thread(const char *name)
{
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

int linux_usable_cpus(void)
{
	cpu_set_t usable;

	/* Fails where the kernel has more CPUs than the set has bits: then those that are online. */
	if (sched_getaffinity(0, sizeof(usable), &usable) != 0)
		return (int)sysconf(_SC_NPROCESSORS_ONLN);
	return CPU_COUNT(&usable);
}

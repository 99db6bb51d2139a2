/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "dodge.h"
#include "attempt.h"
#include "sockets.h"
#include "uring.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int server_port;
static int proxy_port;
static const char *service_address;

static int outcome(const char *what, const char *step)
{
	printf("%s %d %s\n", what, errno, step);
	return 0;
}

int through(const char *step)
{
	errno = 0;
	return outcome("through", step);
}

int refused(const char *step)
{
	return outcome("refused", step);
}

/* CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD,
 * AUDIT_WRITE, SETFCAP */
#define CONTAINER_CAPABILITIES                                                                                \
	((1u << 0) | (1u << 1) | (1u << 3) | (1u << 4) | (1u << 5) | (1u << 6) | (1u << 7) | (1u << 8) |      \
	 (1u << 10) | (1u << 13) | (1u << 18) | (1u << 27) | (1u << 29) | (1u << 31))

static void become(const char *who)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{CONTAINER_CAPABILITIES, CONTAINER_CAPABILITIES, 0}, {0, 0, 0}};

	if (!strcmp(who, "container")) {
		for (int capability = 0; capability < 64; capability++)
			if (capability > 31 || !(CONTAINER_CAPABILITIES & 1u << capability))
				prctl(PR_CAPBSET_DROP, capability);
		if (!syscall(SYS_capset, &header, data))
			return;
	} else if (!setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY)) {
		return;
	}
	perror(who);
	exit(2);
}

/* 0 when a byte came back. */
static int answer_of(int socket)
{
	struct pollfd waiting = {.fd = socket, .events = POLLIN};
	char byte = '?';

	if (send(socket, &byte, 1, MSG_NOSIGNAL) != 1)
		return -1;
	if (poll(&waiting, 1, 1000) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	return recv(socket, &byte, 1, 0) == 1 ? 0 : -1;
}

static int connect_on(int made, struct target target)
{
	if (made < 0)
		return refused("socket");
	if (connect(made, (struct sockaddr *)&target.address, target.length))
		return refused("connect");
	return answer_of(made) ? refused("answer") : through("answer");
}

struct target at(const char *family, const char *address, int port)
{
	char text[8];

	snprintf(text, sizeof(text), "%d", port);
	return target_of(family, address, text);
}

/* tcp or udp to one spelling: "tcp:FAMILY:ADDRESS", ADDRESS "service" for the virtual one. */
static int spelled(const char *attempt, int type, bool plain)
{
	char family[8], address[64];
	struct target target;
	int made;

	if (sscanf(attempt, "%*[a-z]:%7[^:]:%63s", family, address) != 2)
		return 2;
	target = strcmp(address, "service") ? at(family, address, server_port) : at(family, service_address, 81);
	made = socket(target.family, type, 0);
	if (!plain)
		return connect_on(made, target);
	if (sendto(made, "?", 1, 0, (struct sockaddr *)&target.address, target.length) != 1)
		return refused("sendto");
	return through("sendto");
}

struct target plainly(void)
{
	return at("4", "127.0.0.1", server_port);
}

static int with_protocol(int family, int type, int protocol)
{
	int made = socket(family, type, protocol);
	struct target target = at(family == AF_INET6 ? "6" : "4", family == AF_INET6 ? "::1" : "127.0.0.1", server_port);

	if (made < 0)
		return refused("socket");
	if (type != SOCK_STREAM)
		return sendto(made, "12345678901234567890123456789012345678901234567890", 50, 0,
			      (struct sockaddr *)&target.address, target.length) > 0
			       ? through("sendto")
			       : refused("sendto");
	return connect_on(made, target);
}

static int fast_open(bool by_option)
{
	struct target target = plainly();
	int made = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (by_option) {
		setsockopt(made, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
		return connect_on(made, target);
	}
	if (sendto(made, "?", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&target.address, target.length) < 0)
		return refused("sendto");
	return through("sendto");
}

static int with_option(int level, int option, int value)
{
	int made = socket(AF_INET, SOCK_STREAM, 0);

	/* Whether it may set the option is another question. */
	setsockopt(made, level, option, &value, sizeof(value));
	return connect_on(made, plainly());
}

/* Connected to a harmless place first, then elsewhere by the address of a message or a second connect. */
static int redirected(int type)
{
	struct target target = plainly(), other = at("4", "127.0.0.1", 9);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int made = socket(AF_INET, type, 0);

	connect(made, (struct sockaddr *)&other.address, other.length);
	if (type == SOCK_DGRAM)
		return sendto(made, "?", 1, 0, (struct sockaddr *)&target.address, target.length) == 1
			       ? through("sendto")
			       : refused("sendto");
	connect(made, &none, sizeof(none));
	return connect_on(made, target);
}

static int without_blocking(void)
{
	struct target target = plainly();
	int made = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(made, (struct sockaddr *)&target.address, target.length) && errno != EINPROGRESS)
		return refused("connect");
	return answer_of(made) ? refused("answer") : through("answer");
}

static void *in_thread(void *unused)
{
	(void)unused;
	connect_on(socket(AF_INET, SOCK_STREAM, 0), plainly());
	return NULL;
}

static int from_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, NULL);
	return 0;
}

static int from_child(void)
{
	pid_t child = fork();

	if (!child) {
		/* Orphaned, in a session of its own. */
		setsid();
		if (fork())
			_exit(0);
		connect_on(socket(AF_INET, SOCK_STREAM, 0), plainly());
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	usleep(1500000);
	return 0;
}

static int in_new_namespaces(int flags, bool mark)
{
	int made, value = 0x200;

	if (unshare(flags))
		return refused("unshare");
	made = socket(AF_INET, SOCK_STREAM, 0);
	if (mark)
		setsockopt(made, SOL_SOCKET, SO_MARK, &value, sizeof(value));
	return connect_on(made, plainly());
}

static int in_other_cgroup(const char *how)
{
	char path[512] = "", line[512];
	FILE *mounts = fopen("/proc/self/mounts", "re");
	int file;

	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %400s cgroup2", path) == 1 && strstr(line, " cgroup2 "))
			break;
	strcat(path, how);
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0 || write(file, "0", 1) != 1)
		return refused("cgroup.procs");
	return connect_on(socket(AF_INET, SOCK_STREAM, 0), plainly());
}

static int with_bound_source(const char *address, int option)
{
	struct target source = at("4", address, 0);
	int made = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (option)
		setsockopt(made, IPPROTO_IP, option, &on, sizeof(on));
	if (bind(made, (struct sockaddr *)&source.address, source.length))
		return refused("bind");
	return connect_on(made, plainly());
}

static int with_device(void)
{
	int made = socket(AF_INET, SOCK_STREAM, 0);

	if (setsockopt(made, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2))
		return refused("setsockopt");
	return connect_on(made, plainly());
}

/* The proxy's own port, which is the server's in this attempt's world: by connect, or by taking it. */
static int at_proxy_port(const char *how)
{
	struct target target = at("4", strstr(how, "any") ? "0.0.0.0" : "127.0.0.1", proxy_port);
	int made = socket(AF_INET, strstr(how, "udp") ? SOCK_DGRAM : SOCK_STREAM, 0), on = 1;

	if (strstr(how, "connect"))
		return connect_on(made, target);
	if (strstr(how, "share"))
		setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(made, (struct sockaddr *)&target.address, target.length) ? refused("bind") : through("bind");
}

static int by_uring(bool polled)
{
	struct target target = plainly();
	int made = socket(AF_INET, SOCK_STREAM, 0);
	int error = uring_connect(made, (struct sockaddr *)&target.address, target.length, polled);

	errno = error;
	if (error)
		return refused("uring");
	return answer_of(made) ? refused("answer") : through("answer");
}

int dodge(const char *who, const char *attempt, const char *service, int port, int proxy)
{
	server_port = port;
	proxy_port = proxy;
	service_address = service;
	int by_datagram;

	become(who);
	by_datagram = attempt_by_datagram(attempt);
	if (by_datagram >= 0)
		return by_datagram;
#define IS(name) !strcmp(attempt, name)
	if (!strncmp(attempt, "tcp:", 4))
		return spelled(attempt, SOCK_STREAM, false);
	if (!strncmp(attempt, "udp:", 4))
		return spelled(attempt, SOCK_DGRAM, false);
	if (!strncmp(attempt, "datagram:", 9))
		return spelled(attempt, SOCK_DGRAM, true);
	if (IS("fast-open"))
		return fast_open(false);
	if (IS("fast-open-option"))
		return fast_open(true);
	if (IS("mptcp"))
		return with_protocol(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	if (IS("mptcp6"))
		return with_protocol(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP);
	if (IS("sctp"))
		return with_protocol(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
	if (IS("dccp"))
		return with_protocol(AF_INET, 6, 33);
	if (IS("udplite"))
		return with_protocol(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	if (IS("udplite6"))
		return with_protocol(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE);
	if (IS("smc"))
		return with_protocol(43, SOCK_STREAM, 0);
	if (IS("raw-tcp"))
		return with_protocol(AF_INET, SOCK_RAW, IPPROTO_TCP);
	if (IS("raw-udp"))
		return with_protocol(AF_INET, SOCK_RAW, IPPROTO_UDP);
	if (IS("raw-icmp"))
		return with_protocol(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (IS("raw-gre"))
		return with_protocol(AF_INET, SOCK_RAW, IPPROTO_GRE);
	if (IS("raw-ipip"))
		return with_protocol(AF_INET, SOCK_RAW, IPPROTO_IPIP);
	if (IS("raw-own-header"))
		return with_protocol(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (IS("raw6-tcp"))
		return with_protocol(AF_INET6, SOCK_RAW, IPPROTO_TCP);
	if (IS("raw6-own-header"))
		return with_protocol(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	if (IS("mark"))
		return with_option(SOL_SOCKET, SO_MARK, 0x200);
	if (IS("priority"))
		return with_option(SOL_SOCKET, SO_PRIORITY, 6);
	if (IS("datagram-elsewhere"))
		return redirected(SOCK_DGRAM);
	if (IS("reconnect"))
		return redirected(SOCK_STREAM);
	if (IS("non-blocking"))
		return without_blocking();
	if (IS("thread"))
		return from_thread();
	if (IS("orphan"))
		return from_child();
	if (IS("user-namespace"))
		return in_new_namespaces(CLONE_NEWUSER, true);
	if (IS("network-namespace"))
		return in_new_namespaces(CLONE_NEWUSER | CLONE_NEWNET, true);
	if (IS("cgroup-namespace"))
		return in_new_namespaces(CLONE_NEWUSER | CLONE_NEWCGROUP, false);
	if (IS("free-bind"))
		return with_bound_source("127.0.0.77", IP_FREEBIND);
	if (IS("transparent"))
		return with_bound_source("10.1.2.3", IP_TRANSPARENT);
	if (IS("bound-source"))
		return with_bound_source("127.0.0.1", 0);
	if (IS("uring"))
		return by_uring(false);
	if (IS("uring-polled"))
		return by_uring(true);
	if (IS("device"))
		return with_device();
	if (!strncmp(attempt, "proxy-", 6))
		return at_proxy_port(attempt);
	if (IS("root-cgroup"))
		return in_other_cgroup("/cgroup.procs");
	if (IS("other-user"))
		return setresuid(1001, 1001, 1001) ? refused("setresuid")
						    : connect_on(socket(AF_INET, SOCK_STREAM, 0), plainly());
	fprintf(stderr, "no attempt %s\n", attempt);
	return 2;
}

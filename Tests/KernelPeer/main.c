/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs at either end of a kernel test: ordinary sockets, made inside a cgroup ("-": where
 * the test runs), that say in one line what they saw.
 *
 *   kernel-peer serve CGROUP ADDRESS PORT          TCP; prints its port; until its input ends
 *   kernel-peer call CGROUP FAMILY ADDRESS PORT WAY UP DOWN
 *                                                  prints "ERRNO PEER PORT" of the connect
 *   kernel-peer answer CGROUP ADDRESS PORT TEXT    UDP; prints its port; until its input ends
 *   kernel-peer ask CGROUP FAMILY ADDRESS PORT plain|connected
 *                                                  prints "ERRNO SOURCE PORT TEXT" of the answer
 *   kernel-peer echo CGROUP ADDRESS PORT           TCP; prints its port; until its input ends
 *   kernel-peer crowd CGROUP FAMILY ADDRESS PORT tcp|udp COUNT [LATER]
 *                                                  see crowd.h
 *   kernel-peer mingler CGROUP ADDRESS PORT       TCP; prints its port; until its input ends
 *   kernel-peer mingle CGROUP FAMILY ADDRESS PORT COUNT SEED tcp|mptcp PAUSE
 *                                                  see mingle.h
 *   kernel-peer sweep CGROUP 4 ADDRESS PORT COUNT BYTES
 *                                                  see sweep.h
 *   kernel-peer dodge CGROUP WHO ATTEMPT SERVICE PORT [PROXY]
 *                                                  see dodge.h
 *   kernel-peer turns CGROUP FAMILY ADDRESS PORT OTHER COUNT
 *   kernel-peer itself CGROUP FAMILY ADDRESS PORT
 *                                                  see race.h
 *   kernel-peer smuggle - FAMILY ADDRESS PORT WAY CGROUP
 *                                                  see smuggle.h
 *   kernel-peer open CGROUP FAMILY TYPE PROTOCOL  a socket by the kernel's numbers; prints "ERRNO"; until its
 *                                                  input ends
 *   kernel-peer bind CGROUP FAMILY ADDRESS PORT tcp|udp
 *                                                  prints "ERRNO"
 *
 * WAY is how the connection ends once UP and DOWN bytes have been moved.
 */
#include "crowd.h"
#include "dodge.h"
#include "mingle.h"
#include "race.h"
#include "smuggle.h"
#include "sockets.h"
#include "sweep.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* In the order in which the tests name them. */
enum way {
	CLIENT_CLOSES,
	SERVER_CLOSES,
	CLIENT_RESETS,
	SERVER_RESETS,
	CLIENT_HALF_CLOSES, /* then takes 1000 bytes more */
	SERVER_HALF_CLOSES, /* then takes 777 bytes more */
	HOLD,		    /* the client waits for the end of its input */
};

/* IPPROTO_MPTCP, which headers of this age do not have. */
#define MPTCP 262

/* The first bytes on a connection. */
struct head {
	uint32_t way;
	uint64_t up;
	uint64_t down;
} __attribute__((packed));

static void patience(int socket)
{
	struct timeval limit = {.tv_sec = 20};

	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void *serve_one(void *argument)
{
	int socket = (int)(intptr_t)argument;
	struct head head;

	patience(socket);
	if (recv(socket, &head, sizeof(head), MSG_WAITALL) != sizeof(head) ||
	    !take_exactly(socket, head.up) || !send_exactly(socket, head.down))
		goto out;
	switch (head.way) {
	case SERVER_CLOSES:
		break;
	case SERVER_RESETS:
		reset_on_close(socket);
		usleep(100000); /* let everything be acknowledged */
		break;
	case CLIENT_HALF_CLOSES:
		if (at_end(socket))
			send_exactly(socket, 1000);
		break;
	case SERVER_HALF_CLOSES:
		shutdown(socket, SHUT_WR);
		take_exactly(socket, 777);
		break;
	default:
		at_end(socket);
	}
out:
	close(socket);
	return NULL;
}

static int bound(struct target *target, int type)
{
	int on = 1, made = socket(target->family, type | SOCK_CLOEXEC, 0);

	setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (target->family == AF_INET6)
		setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(made, (struct sockaddr *)&target->address, target->length)) {
		fprintf(stderr, "bind: %s\n", strerror(errno));
		exit(2);
	}
	return made;
}

static void announce(int socket)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	getsockname(socket, (struct sockaddr *)&address, &length);
	printf("%u\n", ntohs(((struct sockaddr_in *)&address)->sin_port)); /* same place in both */
	fflush(stdout);
}

static void *accept_all(void *argument)
{
	int listener = (int)(intptr_t)argument;

	for (;;) {
		int accepted = accept(listener, NULL, NULL);
		pthread_t thread;

		if (accepted < 0)
			continue;
		pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)accepted);
		pthread_detach(thread);
	}
	return NULL;
}

static void wait_for_end_of_input(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static int serve(struct target target)
{
	int listener = bound(&target, SOCK_STREAM);
	pthread_t thread;

	listen(listener, 64);
	announce(listener);
	pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener);
	wait_for_end_of_input();
	return 0;
}

static void *echo_all(void *argument)
{
	echo_for_ever((int)(intptr_t)argument);
	return NULL;
}

static void *mingle_all(void *argument)
{
	mingle_for_ever((int)(intptr_t)argument);
	return NULL;
}

static int mingler(struct target target)
{
	int listener = bound(&target, SOCK_STREAM);
	pthread_t thread;

	listen(listener, 256);
	announce(listener);
	pthread_create(&thread, NULL, mingle_all, (void *)(intptr_t)listener);
	wait_for_end_of_input();
	return 0;
}

static int echo(struct target target)
{
	int listener = bound(&target, SOCK_STREAM);
	pthread_t thread;

	listen(listener, 4096);
	announce(listener);
	pthread_create(&thread, NULL, echo_all, (void *)(intptr_t)listener);
	wait_for_end_of_input();
	return 0;
}

/* How the connection ends, at the client. False: it went otherwise than it should. */
static bool end_call(int socket, enum way way)
{
	char byte;

	switch (way) {
	case SERVER_CLOSES:
		return at_end(socket);
	case SERVER_RESETS:
		return recv(socket, &byte, 1, 0) < 0 && errno == ECONNRESET;
	case CLIENT_RESETS:
		reset_on_close(socket);
		usleep(100000); /* let everything be acknowledged */
		return true;
	case CLIENT_HALF_CLOSES:
		shutdown(socket, SHUT_WR);
		return take_exactly(socket, 1000) && at_end(socket);
	case SERVER_HALF_CLOSES:
		return at_end(socket) && send_exactly(socket, 777);
	case HOLD:
		wait_for_end_of_input();
		return true;
	case CLIENT_CLOSES:
		return true;
	}
	return false;
}

static int call(struct target target, const char *way, const char *up, const char *down)
{
	struct head head = {(uint32_t)atoi(way), strtoull(up, NULL, 10), strtoull(down, NULL, 10)};
	int made = socket(target.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	bool ok;

	patience(made);
	if (connect(made, (struct sockaddr *)&target.address, target.length)) {
		printf("%d - 0\n", errno);
		return 0;
	}
	getpeername(made, (struct sockaddr *)&peer, &length);
	ok = send(made, &head, sizeof(head), MSG_NOSIGNAL) == sizeof(head) && send_exactly(made, head.up) &&
	     take_exactly(made, head.down);
	printf("0 ");
	print_address(&peer);
	printf("\n");
	fflush(stdout);
	ok = ok && end_call(made, (enum way)head.way);
	close(made);
	return ok ? 0 : 1;
}

static void *answer_all(void *argument)
{
	int socket = (int)(intptr_t)((void **)argument)[0];
	const char *text = ((void **)argument)[1];
	struct sockaddr_storage from;
	char question[64];

	for (;;) {
		socklen_t length = sizeof(from);

		if (recvfrom(socket, question, sizeof(question), 0, (struct sockaddr *)&from, &length) >= 0)
			sendto(socket, text, strlen(text), 0, (struct sockaddr *)&from, length);
	}
	return NULL;
}

static int answer(struct target target, char *text)
{
	int made = bound(&target, SOCK_DGRAM);
	void *argument[2] = {(void *)(intptr_t)made, text};
	pthread_t thread;

	announce(made);
	pthread_create(&thread, NULL, answer_all, argument);
	wait_for_end_of_input();
	return 0;
}

static int ask(struct target target, bool connected)
{
	int made = socket(target.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	char text[64] = "";
	ssize_t got = -1;

	patience(made);
	if (connected ? !connect(made, (struct sockaddr *)&target.address, target.length) && send(made, "?", 1, 0) == 1
		      : sendto(made, "?", 1, 0, (struct sockaddr *)&target.address, target.length) == 1)
		got = recvfrom(made, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &length);
	if (got < 0) {
		printf("%d - 0 -\n", errno);
		return 0;
	}
	printf("0 ");
	print_address(&from);
	printf(" %s\n", text);
	return 0;
}

static int hold_open(int family, int type, int protocol)
{
	int made = socket(family, type | SOCK_CLOEXEC, protocol);

	printf("%d\n", made < 0 ? errno : 0);
	fflush(stdout);
	wait_for_end_of_input();
	return 0;
}

static int try_bind(struct target target, int type)
{
	int made = socket(target.family, type | SOCK_CLOEXEC, 0);

	printf("%d\n", bind(made, (struct sockaddr *)&target.address, target.length) ? errno : 0);
	return 0;
}

int main(int count, char **arguments)
{
	const char *verb = count > 2 ? arguments[1] : "";

	if (count > 2)
		enter(arguments[2]);
	if (count == 5 && !strcmp(verb, "serve"))
		return serve(plain_target(arguments[3], arguments[4]));
	if (count == 5 && !strcmp(verb, "echo"))
		return echo(plain_target(arguments[3], arguments[4]));
	if ((count == 8 || count == 9) && !strcmp(verb, "crowd"))
		return crowd(target_of(arguments[3], arguments[4], arguments[5]),
			     strcmp(arguments[6], "udp") ? SOCK_STREAM : SOCK_DGRAM, atoi(arguments[7]),
			     count == 9 ? arguments[8] : "-");
	if (count == 7 && !strcmp(verb, "churn"))
		return churn(target_of(arguments[3], arguments[4], arguments[5]), atoi(arguments[6]));
	if (count == 5 && !strcmp(verb, "mingler"))
		return mingler(plain_target(arguments[3], arguments[4]));
	if (count == 10 && !strcmp(verb, "mingle"))
		return mingle(target_of(arguments[3], arguments[4], arguments[5]), atoi(arguments[6]),
			      (unsigned)atoi(arguments[7]), strcmp(arguments[8], "mptcp") ? 0 : MPTCP,
			      (unsigned)atoi(arguments[9]));
	if (count == 8 && !strcmp(verb, "sweep"))
		return sweep(target_of(arguments[3], arguments[4], arguments[5]), atoi(arguments[6]), atoi(arguments[7]));
	if (count == 6 && !strcmp(verb, "open"))
		return hold_open(atoi(arguments[3]), atoi(arguments[4]), atoi(arguments[5]));
	if (count == 8 && !strcmp(verb, "turns"))
		return take_turns(target_of(arguments[3], arguments[4], arguments[5]), arguments[6],
				  atoi(arguments[7]));
	if (count == 6 && !strcmp(verb, "itself"))
		return connect_to_itself(target_of(arguments[3], arguments[4], arguments[5]));
	if (count == 8 && !strcmp(verb, "smuggle"))
		return smuggle(target_of(arguments[3], arguments[4], arguments[5]), arguments[6], arguments[7]);
	if ((count == 7 || count == 8) && !strcmp(verb, "dodge"))
		return dodge(arguments[3], arguments[4], arguments[5], atoi(arguments[6]),
			     count == 8 ? atoi(arguments[7]) : 0);
	if (count == 9 && !strcmp(verb, "call"))
		return call(target_of(arguments[3], arguments[4], arguments[5]), arguments[6], arguments[7],
			    arguments[8]);
	if (count == 6 && !strcmp(verb, "answer"))
		return answer(plain_target(arguments[3], arguments[4]), arguments[5]);
	if (count == 7 && !strcmp(verb, "ask"))
		return ask(target_of(arguments[3], arguments[4], arguments[5]), !strcmp(arguments[6], "connected"));
	if (count == 7 && !strcmp(verb, "bind"))
		return try_bind(target_of(arguments[3], arguments[4], arguments[5]),
				strcmp(arguments[6], "udp") ? SOCK_STREAM : SOCK_DGRAM);
	fprintf(stderr, "usage: kernel-peer serve|call|answer|ask|bind|echo|crowd|churn|sweep|mingler|mingle|turns|itself|smuggle|dodge|open …\n");
	return 2;
}

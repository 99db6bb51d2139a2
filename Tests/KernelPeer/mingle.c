/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "mingle.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define STALLED_BYTES (48u << 20)

/* The first bytes of a connection. */
struct plan {
	uint64_t up, down;
	uint32_t seed;
	uint32_t pause; /* ms before the server reads on */
};

/* One end of a transfer. */
struct side {
	int socket;
	uint64_t to_send, sent, to_take, taken;
	unsigned seed;
	bool tells_stall;
};

static unsigned draw(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static unsigned char byte_at(uint64_t place) { return (unsigned char)(place * 31 ^ place >> 8 ^ place >> 16); }

/* Gives the kernel a chunk of random size; false on an error. */
static bool send_some(struct side *side)
{
	unsigned char bytes[70000];
	uint64_t left = side->to_send - side->sent;
	size_t size = draw(&side->seed) % 8 ? draw(&side->seed) % 4000 + 1 : draw(&side->seed) % sizeof(bytes) + 1;
	ssize_t took;

	if (size > left)
		size = left;
	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(side->sent + i);
	took = send(side->socket, bytes, size, MSG_NOSIGNAL);
	if (took < 0)
		return errno == EAGAIN;
	side->sent += (uint64_t)took;
	return true;
}

/* Takes what is there, up to a random size; false on an error, the end, or a wrong byte. */
static bool take_some(struct side *side)
{
	unsigned char bytes[70000];
	size_t size = draw(&side->seed) % sizeof(bytes) + 1;
	ssize_t got;

	if (size > side->to_take - side->taken)
		size = side->to_take - side->taken;
	got = recv(side->socket, bytes, size, 0);
	if (got < 0)
		return errno == EAGAIN;
	for (ssize_t i = 0; i < got; i++) {
		if (bytes[i] != byte_at(side->taken + (uint64_t)i))
			return false;
	}
	side->taken += (uint64_t)got;
	return got > 0;
}

/* Sends and takes until both are done, then ends its own direction and waits for the other's end. */
static bool go_through(struct side *side)
{
	bool has_ended = false;

	for (;;) {
		struct pollfd waiting = {.fd = side->socket};
		int ready;

		if (side->sent == side->to_send && !has_ended) {
			shutdown(side->socket, SHUT_WR);
			has_ended = true;
		}
		if (has_ended && side->taken == side->to_take)
			break;
		waiting.events = (short)((has_ended ? 0 : POLLOUT) | (side->taken < side->to_take ? POLLIN : 0));
		ready = poll(&waiting, 1, side->tells_stall ? 300 : PATIENCE_MS);
		if (!ready && side->tells_stall) {
			printf("stalled %llu\n", (unsigned long long)side->sent);
			fflush(stdout);
			side->tells_stall = false;
			continue;
		}
		if (ready != 1)
			return false;
		if (waiting.revents & POLLIN && side->taken < side->to_take && !take_some(side))
			return false;
		if (waiting.revents & POLLOUT && !has_ended && !send_some(side))
			return false;
		if (draw(&side->seed) % 64 == 0)
			usleep(draw(&side->seed) % 2000);
	}
	for (;;) {
		struct pollfd waiting = {.fd = side->socket, .events = POLLIN};
		char byte;
		ssize_t got;

		if (poll(&waiting, 1, PATIENCE_MS) != 1)
			return false;
		got = recv(side->socket, &byte, 1, 0);
		if (got >= 0 || errno != EAGAIN)
			return got == 0;
	}
}

static bool take_plan(int socket, struct plan *plan)
{
	for (size_t got = 0; got < sizeof(*plan);) {
		struct pollfd waiting = {.fd = socket, .events = POLLIN};
		ssize_t more;

		if (poll(&waiting, 1, PATIENCE_MS) != 1)
			return false;
		more = recv(socket, (char *)plan + got, sizeof(*plan) - got, 0);
		if (more == 0 || (more < 0 && errno != EAGAIN))
			return false;
		if (more > 0)
			got += (size_t)more;
	}
	return true;
}

static void *mingle_one(void *argument)
{
	struct side side = {.socket = (int)(intptr_t)argument};
	struct plan plan;

	if (take_plan(side.socket, &plan)) {
		usleep(plan.pause * 1000);
		side.to_send = plan.down;
		side.to_take = plan.up;
		side.seed = ~plan.seed;
		go_through(&side);
	}
	close(side.socket);
	return NULL;
}

void mingle_for_ever(int listener)
{
	for (;;) {
		int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		pthread_t thread;

		if (accepted < 0)
			continue;
		pthread_create(&thread, NULL, mingle_one, (void *)(intptr_t)accepted);
		pthread_detach(thread);
	}
}

/* A connected socket that does not wait, or -1. */
static int connected(struct target *target, int protocol)
{
	int made = socket(target->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	struct pollfd waiting = {.fd = made, .events = POLLOUT};
	int error = 0;
	socklen_t length = sizeof(error);

	if (connect(made, (struct sockaddr *)&target->address, target->length) && errno != EINPROGRESS)
		return -1;
	if (poll(&waiting, 1, PATIENCE_MS) != 1 || getsockopt(made, SOL_SOCKET, SO_ERROR, &error, &length) || error)
		return -1;
	return made;
}

int mingle(struct target target, int count, unsigned seed, int protocol, unsigned pause)
{
	unsigned long long intact = 0, up = 0, down = 0;

	for (int i = 0; i < count; i++) {
		struct plan plan = {.seed = draw(&seed), .pause = pause};
		struct side side = {.socket = connected(&target, protocol), .seed = plan.seed};

		plan.up = pause ? STALLED_BYTES : draw(&seed) % 400000;
		plan.down = pause ? 0 : draw(&seed) % 400000;
		if (side.socket < 0)
			continue;
		side.to_send = plan.up;
		side.to_take = plan.down;
		side.tells_stall = pause != 0;
		if (send(side.socket, &plan, sizeof(plan), MSG_NOSIGNAL) == sizeof(plan) && go_through(&side))
			intact++;
		up += sizeof(plan) + side.sent;
		down += side.taken;
		close(side.socket);
	}
	printf("%llu %llu %llu\n", intact, up, down);
	fflush(stdout);
	return intact == (unsigned long long)count ? 0 : 1;
}

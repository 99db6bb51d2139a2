/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open-loop load generator: requests are due at fixed times, whether or not earlier ones were answered, and each
 * one's latency counts from when it was due. A stall is seen by all requests that it held up, not by one alone.
 *
 * usage: paced ADDRESS PORT CONNECTIONS PER_SECOND SECONDS
 * One thread, epoll; requests go round the connections, and wait on one that is busy. Reads a line when "ready",
 * prints one line of JSON.
 */
#include "answer.h"
#include "sample.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define MAX_DUE 65536 /* requests that may wait on one connection; a power of two */
/* How long what is under way at the end may take before it counts as an error. */
#define PATIENCE 5000000000u

struct client {
	int fd, busy;
	struct answer answer;
	uint64_t begun; /* when the request under way was due */
	uint32_t first, last;
	uint64_t *due;
};

static struct sample sample;
static struct client clients[MAX_CONNECTIONS];
static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
static int under_way;

static void send_next(struct client *client)
{
	if (client->busy || client->first == client->last)
		return;
	client->begun = client->due[client->first++ % MAX_DUE];
	client->answer = (struct answer){};
	client->busy = 1;
	if (send(client->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
		sample_error(&sample, "send: %s", strerror(errno));
}

static void make_due(struct client *client, uint64_t when)
{
	under_way++;
	if (client->last - client->first == MAX_DUE) {
		sample_error(&sample, "%d requests wait on one connection", MAX_DUE);
		under_way--;
		return;
	}
	client->due[client->last++ % MAX_DUE] = when;
	send_next(client);
}

static void handle(struct client *client)
{
	char buffer[4096];
	for (;;) {
		ssize_t got = recv(client->fd, buffer, sizeof(buffer), 0);
		if (got < 0 && errno == EAGAIN)
			return;
		int whole = got > 0 && client->busy ? answer_take(&client->answer, buffer, (size_t)got) : -1;
		if (whole < 0) {
			fprintf(stderr, "paced: %s\n", got < 0 ? strerror(errno) : got ? "wrong bytes" : "end of stream");
			exit(1);
		}
		sample.bytes += (size_t)got;
		if (!whole)
			continue;
		sample_operation(&sample, client->begun);
		client->busy = 0;
		under_way--;
		send_next(client);
		return;
	}
}

static int dial(const struct sockaddr_in *to)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0) {
		fprintf(stderr, "paced: connect: %s\n", strerror(errno));
		exit(1);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int main(int count, char **arguments)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct epoll_event events[256];
	if (count != 6 || inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: paced ADDRESS PORT CONNECTIONS PER_SECOND SECONDS\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(arguments[2]));
	int connections = atoi(arguments[3]), epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t per_second = strtoull(arguments[4], 0, 10), seconds = strtoull(arguments[5], 0, 10);
	if (connections < 1 || connections > MAX_CONNECTIONS || per_second < 1)
		return 2;
	for (int i = 0; i < connections; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = (uint32_t)i};
		clients[i].fd = dial(&to);
		clients[i].due = calloc(MAX_DUE, sizeof(uint64_t));
		if (!clients[i].due)
			return 1;
		epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
	}

	if (!sample_begin(&sample))
		return 1;
	uint64_t total = per_second * seconds, made = 0, end = sample.started + seconds * 1000000000u;
	while (made < total || under_way > 0) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		while (made < total && sample.started + made * 1000000000u / per_second <= now) {
			make_due(&clients[made % (uint64_t)connections], sample.started + made * 1000000000u / per_second);
			made++;
		}
		if (now > end + PATIENCE) {
			sample_error(&sample, "%d requests got no answer in time", under_way);
			break;
		}
		uint64_t next = made < total ? sample.started + made * 1000000000u / per_second : now + 100000000u;
		uint64_t pause = next > now ? next - now : 0;
		struct timespec time = {.tv_sec = (time_t)(pause / 1000000000u), .tv_nsec = (long)(pause % 1000000000u)};
		int ready = epoll_pwait2(epoll, events, 256, &time, 0);
		for (int i = 0; i < ready; i++) {
			handle(&clients[events[i].data.u32]);
		}
	}
	sample_end(&sample);
	return 0;
}

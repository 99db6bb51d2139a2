/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load generator that looks at every byte it gets: one thread, epoll, closed loop.
 *
 *   requests   keep-alive: each connection sends the next request once the answer is in
 *   fresh      connect, one request, its answer, close, again
 *   ended      the same, but the server closes first: TIME_WAIT is on its side and no port of the client's waits
 *   bulk       each connection asks for BYTES bytes, counts them and spot-checks their pattern
 *
 * usage: load MODE ADDRESS PORT CONNECTIONS SECONDS [BYTES | OPERATIONS]
 * Reads a line when "ready", prints one line of JSON, reads the next line, until there are no more. Kept connections
 * rest in between. In mode bulk SECONDS bounds the whole; in the others it ends after so many OPERATIONS, if they are
 * given and done before the time is over.
 */
#include "answer.h"
#include "sample.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 4096
/* How long what is under way at the end may take before it counts as an error. */
#define PATIENCE 5000000000u

enum mode { REQUESTS, FRESH, ENDED, BULK };

struct client {
	int in_use, connected, in_body, answered;
	uint64_t begun;
	uint64_t got; /* of the body in mode bulk */
	struct answer answer;
	char head[256];
};

static struct sample sample;
static struct client clients[MAX_DESCRIPTORS];
static char buffer[256 * 1024];
static char request[128];
static size_t request_length;
static struct sockaddr_in to = {.sin_family = AF_INET};
static enum mode mode;
static uint64_t bulk_bytes;
static uint64_t begun, wanted = UINT64_MAX; /* operations */
static int epoll, under_way; /* connections that do not rest */

static void send_request(int fd)
{
	struct client *client = &clients[fd];
	begun += mode == REQUESTS;
	client->got = 0;
	client->answer = (struct answer){};
	if (mode == REQUESTS)
		client->begun = clock_ns(CLOCK_MONOTONIC);
	if (send(fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
		sample_error(&sample, "send: %s", strerror(errno));
}

static void begin_connection(void)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || fd >= MAX_DESCRIPTORS) {
		sample_error(&sample, "socket: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	begun += mode != REQUESTS;
	clients[fd] = (struct client){.in_use = 1, .begun = clock_ns(CLOCK_MONOTONIC)};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
		sample_error(&sample, "connect: %s", strerror(errno));
		close(fd);
		return;
	}
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	under_way++;
}

static void end_connection(int fd)
{
	clients[fd].in_use = 0;
	close(fd);
	under_way--;
}

/* Takes bytes of a bulk answer: the head first, then the body. Returns 0 on a wrong byte. */
static int take_bulk(struct client *client, const char *bytes, size_t length)
{
	if (!client->in_body) {
		const char *end = memmem(bytes, length, "\r\n\r\n", 4);
		if (!end)
			return 0;
		client->in_body = 1;
		length -= (size_t)(end + 4 - bytes);
		bytes = end + 4;
	}
	if (length == 0)
		return 1;
	if ((unsigned char)bytes[0] != pattern_at(client->got) ||
	    (unsigned char)bytes[length - 1] != pattern_at(client->got + length - 1))
		return 0;
	client->got += length;
	sample.bytes += length;
	return client->got <= bulk_bytes;
}

static void finish_operation(int fd, int more)
{
	sample_operation(&sample, clients[fd].begun);
	more = more && begun < wanted;
	if (mode == REQUESTS) {
		if (more)
			send_request(fd);
		else
			under_way--;
		return;
	}
	end_connection(fd);
	if (mode != BULK && more)
		begin_connection();
}

static void fail_connection(int fd, const char *what, int more)
{
	sample_error(&sample, "%s after %llu bytes", what, (unsigned long long)clients[fd].got);
	end_connection(fd);
	if (mode != BULK && more && begun < wanted && sample.errors < 100)
		begin_connection();
}

static void handle_readable(int fd, int more)
{
	struct client *client = &clients[fd];
	while (client->in_use) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got < 0)
			return fail_connection(fd, strerror(errno), more);
		if (got == 0 && client->answered)
			return finish_operation(fd, more);
		if (got == 0)
			return fail_connection(fd, "end of stream", more);
		int whole;
		if (mode == BULK) {
			whole = !take_bulk(client, buffer, (size_t)got) ? -1 : client->got == bulk_bytes;
		} else {
			whole = answer_take(&client->answer, buffer, (size_t)got);
			sample.bytes += (uint64_t)got;
		}
		if (whole < 0)
			return fail_connection(fd, "wrong bytes", more);
		if (whole && mode != ENDED)
			return finish_operation(fd, more);
		client->answered = whole;
		if ((size_t)got < sizeof(buffer) && mode < ENDED)
			return; /* a short read: nothing is left, epoll tells when there is more */
	}
}

static void handle(const struct epoll_event *event, int more)
{
	int fd = event->data.fd;
	if (!clients[fd].in_use)
		return;
	if (!clients[fd].connected && (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		int error = 0;
		socklen_t length = sizeof(error);
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error)
			return fail_connection(fd, strerror(error), more);
		clients[fd].connected = 1;
		send_request(fd);
	}
	if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		handle_readable(fd, more);
}

static void run(int connections, uint64_t duration)
{
	struct epoll_event events[256];
	begun = 0;
	for (int fd = 0; fd < MAX_DESCRIPTORS && under_way < connections; fd++) {
		if (!clients[fd].in_use)
			continue;
		under_way++;
		send_request(fd);
	}
	for (int i = under_way; i < connections; i++)
		begin_connection();
	while (under_way > 0) {
		uint64_t elapsed = clock_ns(CLOCK_MONOTONIC) - sample.started;
		if (elapsed > duration + PATIENCE) {
			sample_error(&sample, "%d connections got no answer in time", under_way);
			return;
		}
		int ready = epoll_wait(epoll, events, 256, 100);
		for (int i = 0; i < ready; i++)
			handle(&events[i], elapsed < duration);
	}
}

static int parse_mode(const char *name)
{
	static const char *const names[] = {"requests", "fresh", "ended", "bulk"};
	for (int i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

int main(int count, char **arguments)
{
	int parsed = count >= 6 ? parse_mode(arguments[1]) : -1;
	if (parsed < 0 || inet_pton(AF_INET, arguments[2], &to.sin_addr) != 1 || (parsed == BULK && count != 7)) {
		fprintf(stderr, "usage: load requests|fresh|ended|bulk ADDRESS PORT CONNECTIONS SECONDS [BYTES | OPERATIONS]\n");
		return 2;
	}
	mode = (enum mode)parsed;
	to.sin_port = htons((uint16_t)atoi(arguments[3]));
	if (mode == BULK)
		bulk_bytes = strtoull(arguments[6], 0, 10);
	else if (count == 7)
		wanted = strtoull(arguments[6], 0, 10);
	request_length = (size_t)(mode == BULK
		? snprintf(request, sizeof(request), "GET /bytes/%llu HTTP/1.1\r\nHost: bench\r\n\r\n",
			   (unsigned long long)bulk_bytes)
		: snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n",
			   mode == ENDED ? "/close" : "/"));
	epoll = epoll_create1(EPOLL_CLOEXEC);

	while (sample_begin(&sample)) {
		run(atoi(arguments[4]), duration_ns(arguments[5]));
		sample_end(&sample);
	}
	return 0;
}

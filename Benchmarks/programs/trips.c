/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round trips over connections that stay open, in slices: two of these programs that measure two ways take turns many
 * times a second, so that a machine whose speed changes changes it for both.
 *
 * usage: trips serve ADDRESS PORT
 *        trips ADDRESS PORT CONNECTIONS BYTES
 *
 * The first prints "listening" and answers each request with as many bytes as it asks for. The second prints "ready"
 * once it is connected; then each line that it reads says for how many milliseconds every connection asks for BYTES
 * bytes, and again once it has them, and gets one line of JSON. One thread each, closed loop.
 */
#define BUCKET_BITS 9 /* a difference of 1 % must show in a percentile */
#include "answer.h"
#include "sample.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 1024
#define CHUNK (256 * 1024)
/* How long what is under way at the end may take before it counts as an error. */
#define PATIENCE 5000000000u

struct request {
	uint32_t bytes; /* network order */
	char rest[60];  /* as long as a short request of HTTP */
};

struct connection {
	uint64_t begun;
	uint32_t got; /* of a request by the server, of an answer by the client */
	uint32_t sent, wanted; /* of the answer under way */
	struct request request;
};

static struct connection connections[MAX_DESCRIPTORS];
static unsigned char pattern[CHUNK + PATTERN_PERIOD];
static unsigned char buffer[CHUNK];
static struct sample sample;
static int epoll, under_way;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int operation, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	if (epoll_ctl(epoll, operation, fd, &event) != 0)
		die("epoll_ctl");
}

static void set_no_delay(int fd)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Sends what the socket takes of the answer, in as few calls as can be. Returns 0 when the connection is broken. */
static int answer(int fd, struct connection *connection)
{
	while (connection->sent < connection->wanted) {
		uint32_t length = connection->wanted - connection->sent;
		ssize_t sent = send(fd, pattern + connection->sent % PATTERN_PERIOD, length < CHUNK ? length : CHUNK,
				    MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
			return 1;
		}
		if (sent < 0)
			return 0;
		connection->sent += (uint32_t)sent;
	}
	return 1;
}

/* Returns 0 when the connection is at its end. */
static int serve(int fd, struct connection *connection, uint32_t events)
{
	char *into = (char *)&connection->request + connection->got;
	ssize_t got;

	if (events & EPOLLOUT) {
		watch(EPOLL_CTL_MOD, fd, EPOLLIN);
		return answer(fd, connection);
	}
	got = recv(fd, into, sizeof(connection->request) - connection->got, 0);
	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	connection->got += (uint32_t)got;
	if (connection->got < sizeof(connection->request))
		return 1;
	connection->got = connection->sent = 0;
	connection->wanted = ntohl(connection->request.bytes);
	return answer(fd, connection);
}

static void serve_all(const struct sockaddr_in *at)
{
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)at, sizeof(*at)) != 0 || listen(listener, 4096) != 0)
		die("trips: bind and listen");
	watch(EPOLL_CTL_ADD, listener, EPOLLIN);
	puts("listening");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[256];
		int ready = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			if (fd != listener) {
				if (!serve(fd, &connections[fd], events[i].events))
					close(fd);
				continue;
			}
			fd = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd >= MAX_DESCRIPTORS) {
				close(fd);
			} else if (fd >= 0) {
				set_no_delay(fd);
				connections[fd] = (struct connection){};
				watch(EPOLL_CTL_ADD, fd, EPOLLIN);
			}
		}
	}
}

static void ask(int fd, uint32_t bytes)
{
	struct connection *connection = &connections[fd];

	connection->got = 0;
	connection->wanted = bytes;
	connection->request.bytes = htonl(bytes);
	connection->begun = clock_ns(CLOCK_MONOTONIC);
	if (send(fd, &connection->request, sizeof(connection->request), MSG_NOSIGNAL) != sizeof(connection->request))
		sample_error(&sample, "send: %s", strerror(errno));
	under_way++;
}

/* Takes what has come; `more`: the connection asks again once it has all. */
static void take(int fd, int more)
{
	struct connection *connection = &connections[fd];
	ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0 || (uint32_t)got > connection->wanted - connection->got ||
	    buffer[0] != pattern_at(connection->got) || buffer[got - 1] != pattern_at(connection->got + got - 1)) {
		sample_error(&sample, "%s", got > 0 ? "wrong bytes" : got ? strerror(errno) : "end of stream");
		watch(EPOLL_CTL_DEL, fd, 0);
		under_way--;
		return;
	}
	connection->got += (uint32_t)got;
	sample.bytes += (uint64_t)got;
	if (connection->got < connection->wanted)
		return;
	sample_operation(&sample, connection->begun);
	under_way--;
	if (more)
		ask(fd, connection->wanted);
}

/* One slice. */
static void run(const int *open, int count, uint32_t bytes, uint64_t duration)
{
	memset(&sample, 0, sizeof(sample));
	sample.started = clock_ns(CLOCK_MONOTONIC);
	sample.cpu_started = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < count; i++)
		ask(open[i], bytes);
	while (under_way > 0) {
		struct epoll_event events[256];
		int ready = epoll_wait(epoll, events, 256, 100);
		uint64_t elapsed = clock_ns(CLOCK_MONOTONIC) - sample.started;
		for (int i = 0; i < ready; i++)
			take(events[i].data.fd, elapsed < duration);
		if (elapsed > duration + PATIENCE) {
			sample_error(&sample, "%d answers did not come in time", under_way);
			break;
		}
	}
	sample_end(&sample);
}

static void ask_all(const struct sockaddr_in *at, int count, uint32_t bytes)
{
	int open[MAX_DESCRIPTORS];
	char line[32];

	for (int i = 0; i < count; i++) {
		open[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (open[i] < 0 || open[i] >= MAX_DESCRIPTORS || connect(open[i], (const struct sockaddr *)at, sizeof(*at)) != 0)
			die("trips: connect");
		set_no_delay(open[i]);
		watch(EPOLL_CTL_ADD, open[i], EPOLLIN);
	}
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && sample.errors == 0)
		run(open, count, bytes, strtoull(line, 0, 10) * 1000000u);
}

int main(int count, char **arguments)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int serves = count == 4 && strcmp(arguments[1], "serve") == 0;
	int connections_wanted = count == 5 ? atoi(arguments[3]) : 0;

	if ((!serves && (connections_wanted < 1 || connections_wanted > MAX_DESCRIPTORS / 2)) ||
	    inet_pton(AF_INET, arguments[1 + serves], &at.sin_addr) != 1) {
		fprintf(stderr, "usage: trips serve ADDRESS PORT\n       trips ADDRESS PORT CONNECTIONS BYTES\n");
		return 2;
	}
	at.sin_port = htons((uint16_t)atoi(arguments[2 + serves]));
	for (uint64_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = pattern_at(i);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (serves)
		serve_all(&at);
	ask_all(&at, connections_wanted, (uint32_t)strtoul(arguments[4], 0, 10));
	return 0;
}

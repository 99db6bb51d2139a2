/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutual handshakes of TLS 1.3, each on a connection of its own and none resumed, with one small exchange behind it: an
 * HTTP/2 PING that is answered, or a request of HTTP/1.1 to whom only passes bytes on. Then the connection is reset, so
 * that a flood of them leaves no ports behind.
 *
 * usage: shake ADDRESS PORT CONNECTIONS SECONDS CERTIFICATE KEY ROOTS NAME h2|bytes
 * One thread, epoll, closed loop. NAME is asked for by SNI; "-": none. Reads a line when "ready", prints one line of JSON;
 * latencies are of whole handshakes with their exchange.
 */
#include "answer.h"
#include "sample.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 4096
#define PATIENCE 5000000000u

struct client {
	SSL *tls;
	int has_asked;
	uint64_t begun;
	struct answer answer;
	size_t got;
	uint8_t frames[512];
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			      "\0\0\0\4\0\0\0\0\0"
			      "\0\0\10\6\0\0\0\0\0malla-ok";
static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

static struct sample sample;
static struct client clients[MAX_DESCRIPTORS];
static struct sockaddr_in to = {.sin_family = AF_INET};
static SSL_CTX *settings;
static const char *server_name;
static int is_h2, epoll, open_connections;

static void begin_connection(void)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || fd >= MAX_DESCRIPTORS) {
		sample_error(&sample, "socket: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	SSL *tls = SSL_new(settings);
	clients[fd] = (struct client){.tls = tls, .begun = clock_ns(CLOCK_MONOTONIC)};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	SSL_set_fd(tls, fd);
	SSL_set_connect_state(tls);
	if (server_name)
		SSL_set_tlsext_host_name(tls, server_name);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
		sample_error(&sample, "connect: %s", strerror(errno));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	open_connections++;
}

static void end_connection(int fd, int more)
{
	SSL_free(clients[fd].tls);
	clients[fd].tls = NULL;
	close(fd);
	open_connections--;
	if (more && sample.errors < 100)
		begin_connection();
}

static void fail_connection(int fd, const char *what, int more)
{
	unsigned long code = ERR_get_error();
	sample_error(&sample, "%s: %s", what, code ? ERR_reason_error_string(code) : strerror(errno));
	ERR_clear_error();
	end_connection(fd, more);
}

/* Whether the answer to the PING is among the frames that came. */
static int is_answered(const struct client *client)
{
	for (size_t at = 0; at + 9 <= client->got;) {
		const uint8_t *frame = client->frames + at;
		size_t length = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
		if (frame[3] == 6 && frame[4] & 1)
			return at + 17 <= client->got && memcmp(frame + 9, "malla-ok", 8) == 0;
		at += 9 + length;
	}
	return 0;
}

/* Takes bytes of the answer: -1 when they are wrong, 1 at its end, 0 when more has to come. */
static int take(struct client *client, const char *bytes, size_t length)
{
	if (!is_h2)
		return answer_take(&client->answer, bytes, length);
	if (client->got + length > sizeof(client->frames))
		return -1;
	memcpy(client->frames + client->got, bytes, length);
	client->got += length;
	return is_answered(client);
}

static void handle(int fd, int more)
{
	struct client *client = &clients[fd];
	char bytes[16384];
	if (!client->tls)
		return;
	if (!SSL_is_init_finished(client->tls)) {
		int result = SSL_do_handshake(client->tls), error = SSL_get_error(client->tls, result);
		if (result != 1) {
			if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
				fail_connection(fd, "handshake", more);
			return;
		}
	}
	if (!client->has_asked) {
		const char *words = is_h2 ? preface : request;
		int length = (int)(is_h2 ? sizeof(preface) : sizeof(request)) - 1;
		client->has_asked = 1;
		if (SSL_write(client->tls, words, length) != length)
			return fail_connection(fd, "write", more);
	}
	while (1) {
		int got = SSL_read(client->tls, bytes, sizeof(bytes));
		if (got <= 0) {
			if (SSL_get_error(client->tls, got) != SSL_ERROR_WANT_READ)
				fail_connection(fd, "read", more);
			return;
		}
		sample.bytes += (uint64_t)got;
		int whole = take(client, bytes, (size_t)got);
		if (whole < 0)
			return fail_connection(fd, "wrong bytes", more);
		if (whole) {
			sample_operation(&sample, client->begun);
			return end_connection(fd, more);
		}
	}
}

static void run(int connections, uint64_t duration)
{
	struct epoll_event events[256];
	for (int i = 0; i < connections; i++)
		begin_connection();
	while (open_connections > 0) {
		uint64_t elapsed = clock_ns(CLOCK_MONOTONIC) - sample.started;
		if (elapsed > duration + PATIENCE) {
			sample_error(&sample, "%d handshakes did not end in time", open_connections);
			return;
		}
		int ready = epoll_wait(epoll, events, 256, 100);
		for (int i = 0; i < ready; i++)
			handle(events[i].data.fd, elapsed < duration);
	}
}

int main(int count, char **arguments)
{
	if (count != 10 || inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: shake ADDRESS PORT CONNECTIONS SECONDS CERTIFICATE KEY ROOTS NAME h2|bytes\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(arguments[2]));
	server_name = strcmp(arguments[8], "-") ? arguments[8] : NULL;
	is_h2 = !strcmp(arguments[9], "h2");
	settings = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(settings, TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
	if (is_h2)
		SSL_CTX_set_alpn_protos(settings, (const uint8_t *)"\2h2", 3);
	if (SSL_CTX_use_certificate_chain_file(settings, arguments[5]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(settings, arguments[6], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(settings, arguments[7], NULL) != 1) {
		ERR_print_errors_fp(stderr);
		return 2;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!sample_begin(&sample))
		return 1;
	run(atoi(arguments[3]), strtoull(arguments[4], 0, 10) * 1000000000u);
	sample_end(&sample);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL between the caller's memory and the caller's memory: the BIO below holds nothing of its own. */
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "session_parts.h"

static int memory_read(BIO *bio, char *to, size_t wanted, size_t *got)
{
	struct openssl_session *session = BIO_get_data(bio);
	struct openssl_memory *memory = session->memory;

	BIO_clear_retry_flags(bio);
	*got = 0;
	if (!memory || !memory->input_count) {
		BIO_set_retry_read(bio);
		return 0;
	}
	*got = wanted < memory->input_count ? wanted : memory->input_count;
	memcpy(to, memory->input, *got);
	memory->input += *got;
	memory->input_count -= *got;
	return 1;
}

static int memory_write(BIO *bio, const char *from, size_t count, size_t *written)
{
	struct openssl_session *session = BIO_get_data(bio);
	struct openssl_memory *memory = session->memory;
	size_t room = memory ? memory->output_capacity - memory->output_count : 0;

	BIO_clear_retry_flags(bio);
	*written = 0;
	if (!room) {
		BIO_set_retry_write(bio);
		return 0;
	}
	*written = count < room ? count : room;
	memcpy(memory->output + memory->output_count, from, *written);
	memory->output_count += *written;
	return 1;
}

static long memory_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "memory of the caller");
	if (method && BIO_meth_set_read_ex(method, memory_read) && BIO_meth_set_write_ex(method, memory_write))
		BIO_meth_set_ctrl(method, memory_control);
}

struct openssl_session *openssl_session_new(const struct openssl_settings *settings, void *opaque)
{
	struct openssl_session *session = calloc(1, sizeof *session);
	BIO *bio = NULL;

	pthread_once(&method_once, make_method);
	if (session && method) {
		session->opaque = opaque;
		session->ssl = SSL_new(settings->ctx);
		bio = BIO_new(method);
	}
	if (!session || !session->ssl || !bio || !SSL_set_app_data(session->ssl, session)) {
		BIO_free(bio);
		openssl_session_free(session);
		ERR_clear_error();
		return NULL;
	}
	BIO_set_data(bio, session);
	BIO_set_init(bio, 1);
	SSL_set_bio(session->ssl, bio, bio);
	if (settings->is_server)
		SSL_set_accept_state(session->ssl);
	else
		SSL_set_connect_state(session->ssl);
	return session;
}

int openssl_session_ask(struct openssl_session *session, const char *name)
{
	int good = SSL_set_tlsext_host_name(session->ssl, name) == 1;

	ERR_clear_error();
	return good ? 0 : -1;
}

void openssl_session_free(struct openssl_session *session)
{
	if (!session)
		return;
	SSL_free(session->ssl);
	openssl_wipe(session, sizeof *session);
	free(session);
}

static enum openssl_step step(struct openssl_session *session, int result)
{
	switch (SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_NONE:
		return OPENSSL_STEP_DONE;
	case SSL_ERROR_WANT_READ:
		return OPENSSL_STEP_WANTS_INPUT;
	case SSL_ERROR_WANT_WRITE:
		return OPENSSL_STEP_WANTS_ROOM;
	case SSL_ERROR_ZERO_RETURN:
		return OPENSSL_STEP_ENDED;
	default:
		return OPENSSL_STEP_FAILED;
	}
}

enum openssl_step openssl_session_handshake(struct openssl_session *session, struct openssl_memory *memory)
{
	enum openssl_step done;

	ERR_clear_error();
	session->memory = memory;
	done = step(session, SSL_do_handshake(session->ssl));
	session->memory = NULL;
	return done;
}

enum openssl_step openssl_session_read(struct openssl_session *session, struct openssl_memory *memory, void *bytes,
				       size_t capacity, size_t *count)
{
	enum openssl_step done;

	*count = 0;
	session->memory = memory;
	done = step(session, SSL_read_ex(session->ssl, bytes, capacity, count));
	session->memory = NULL;
	return done;
}

enum openssl_step openssl_session_write(struct openssl_session *session, struct openssl_memory *memory,
					const void *bytes, size_t count)
{
	enum openssl_step done = OPENSSL_STEP_DONE;
	size_t at = 0, written = 0;

	session->memory = memory;
	while (done == OPENSSL_STEP_DONE && at < count) {
		done = step(session, SSL_write_ex(session->ssl, (const uint8_t *)bytes + at, count - at, &written));
		at += done == OPENSSL_STEP_DONE ? written : 0;
	}
	session->memory = NULL;
	return done;
}

enum openssl_step openssl_session_end(struct openssl_session *session, struct openssl_memory *memory)
{
	int result;

	session->memory = memory;
	result = SSL_shutdown(session->ssl);
	session->memory = NULL;
	/* 0: said, and not yet heard from the peer, which is no failure. */
	if (result >= 0)
		return OPENSSL_STEP_DONE;
	return step(session, result);
}

void openssl_session_rest(struct openssl_session *session)
{
	SSL_free_buffers(session->ssl);
}

unsigned openssl_session_protocol(const struct openssl_session *session, const uint8_t **name)
{
	unsigned length = 0;

	SSL_get0_alpn_selected(session->ssl, name, &length);
	return length;
}

int openssl_session_secrets(struct openssl_session *session, struct openssl_secrets *secrets)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(session->ssl);
	uint32_t wanted = cipher && SSL_CIPHER_get_bits(cipher, NULL) == 256 ? 48 : 32;

	if (!SSL_is_init_finished(session->ssl) || SSL_has_pending(session->ssl) || session->secrets.length != wanted)
		return -1;
	*secrets = session->secrets;
	return 0;
}

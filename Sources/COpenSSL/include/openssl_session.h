/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS connection between memory and memory. Used by one thread at a time, by different ones one after the other. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "openssl_failure.h"
#include "openssl_records.h"
#include "openssl_settings.h"

struct openssl_session;

/* A connection that has not begun. `opaque` goes to the judge. NULL: no memory. */
struct openssl_session *openssl_session_new(const struct openssl_settings *settings, void *opaque);

/* Says to the server whom a client means (SNI), before the handshake. 0, or -1: no memory, or no name. */
int openssl_session_ask(struct openssl_session *session, const char *name);

/* Ends it, its secrets wiped. */
void openssl_session_free(struct openssl_session *session);

/* What the next call reads, and where it writes. Both are valid until the call returns; what it leaves unread it left. */
struct openssl_memory {
	const uint8_t *input;
	size_t input_count;
	uint8_t *output;
	size_t output_capacity;
	size_t output_count;
};

enum openssl_step {
	OPENSSL_STEP_DONE,
	OPENSSL_STEP_WANTS_INPUT,
	OPENSSL_STEP_WANTS_ROOM,
	OPENSSL_STEP_ENDED, /* the peer has said that nothing more comes */
	OPENSSL_STEP_FAILED,
};

/* Goes on with the handshake. Failed: openssl_take_failure says why; `output` has the alert for the peer. */
enum openssl_step openssl_session_handshake(struct openssl_session *session, struct openssl_memory *memory);

/* Decrypts what there is, up to `capacity` bytes: `*count` of them. */
enum openssl_step openssl_session_read(struct openssl_session *session, struct openssl_memory *memory, void *bytes,
				       size_t capacity, size_t *count);

/* Encrypts bytes. Done: all of them stand in the output. */
enum openssl_step openssl_session_write(struct openssl_session *session, struct openssl_memory *memory,
					const void *bytes, size_t count);

/* Tells the peer that nothing more comes (close_notify). */
enum openssl_step openssl_session_end(struct openssl_session *session, struct openssl_memory *memory);

/* Gives back the buffers of a connection that has nothing to do; they come back by themselves. */
void openssl_session_rest(struct openssl_session *session);

/* The ALPN name agreed upon; its length, 0: none. */
unsigned openssl_session_protocol(const struct openssl_session *session, const uint8_t **name);

/*
 * The secrets that records of both directions are protected with after the handshake; then the session has to be freed
 * and may not be used. 0, or -1: the handshake is not over, or has gone on beyond them.
 */
int openssl_session_secrets(struct openssl_session *session, struct openssl_secrets *secrets);

/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections of one role with one certificate share. Immutable once made; used by any threads. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "openssl_chain.h"

struct openssl_settings;

/*
 * Who judges a peer's certificates: `chain` is valid during the call. Answers an openssl_verdict: 0 takes them, others
 * say what alert the peer gets. `opaque` is the session's: see openssl_session_new.
 */
typedef int openssl_judge(void *opaque, const struct openssl_chain *chain);

/*
 * Which settings serve a peer that asks for `name` (NULL: it names nobody). They outlive the session. NULL: none do, and
 * the handshake fails.
 */
typedef const struct openssl_settings *openssl_chooser(void *opaque, const char *name);

enum openssl_verdict {
	OPENSSL_VERDICT_TAKEN,
	OPENSSL_VERDICT_BAD,
	OPENSSL_VERDICT_EXPIRED,
	OPENSSL_VERDICT_UNKNOWN_ISSUER,
	OPENSSL_VERDICT_UNSUITABLE,
};

/*
 * Settings of a server or a client: TLS 1.3 alone, AES-GCM, both sides show certificates, no tickets, no early data.
 * `chain` (leaf first) and `key` are PEM. `protocols` are ALPN names, each behind its length; a server insists on one
 * of them, and lets `choose` say for each peer which settings serve it. NULL: openssl_take_text says why.
 */
struct openssl_settings *openssl_settings_new(int is_server, const void *chain, size_t chain_length, const void *key,
					      size_t key_length, const uint8_t *protocols, unsigned protocols_length,
					      unsigned largest_chain, openssl_judge *judge, openssl_chooser *choose);
void openssl_settings_free(struct openssl_settings *settings);

/* When the own leaf ends, seconds since 1970. */
int64_t openssl_settings_not_after(const struct openssl_settings *settings);

/* Whether the library exchanges keys by X25519MLKEM768. */
int openssl_settings_are_quantum_safe(const struct openssl_settings *settings);

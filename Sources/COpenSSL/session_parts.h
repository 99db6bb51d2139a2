/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions and settings know of each other. */
#pragma once
#include <openssl/ssl.h>
#include "openssl_session.h"

struct openssl_settings {
	SSL_CTX *ctx;
	openssl_judge *judge;
	openssl_chooser *choose;
	int is_server;
	int is_quantum_safe;
	unsigned protocols_length;
	uint8_t protocols[64];
};

struct openssl_session {
	SSL *ssl;
	void *opaque;
	/* Set only during a call: the caller's memory. */
	struct openssl_memory *memory;
	struct openssl_secrets secrets;
};

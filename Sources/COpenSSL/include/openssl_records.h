/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 record protection (RFC 8446 §5.2, §7): the arithmetic alone, all of it OpenSSL's. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Traffic secrets of both sides. */
struct openssl_secrets {
	uint8_t client[48];
	uint8_t server[48];
	uint32_t length;      /* 32: AES-128-GCM with SHA-256; 48: AES-256-GCM with SHA-384 */
};

/* One direction: keys and the number of the next record. */
struct openssl_protection;

/* Protection by a traffic secret of 32 or 48 bytes. NULL: no memory. */
struct openssl_protection *openssl_protection_new(const uint8_t *secret, uint32_t length, int seals);
void openssl_protection_free(struct openssl_protection *protection);

/* Goes on to the next generation of keys (KeyUpdate, RFC 8446 §7.2). 0 or -1. */
int openssl_protection_update(struct openssl_protection *protection);

/* Records that were sealed or opened with the present keys. */
uint64_t openssl_protection_records(const struct openssl_protection *protection);

/*
 * Seals `count` bytes at `from` as one record of `type` at `to`, which has room for count + 22 bytes and may be 5 before
 * `from`, nowhere else inside. Answers the record's length, or -1.
 */
int openssl_protection_seal(struct openssl_protection *protection, uint8_t *to, const uint8_t *from, uint32_t count,
			    uint8_t type);

/*
 * Opens a whole record (header included) into `to`, which has room for the record's length less 21 bytes and may be the
 * record's own content. Answers the content's length and its type; -1: it does not open, -2: it has no type.
 */
int openssl_protection_open(struct openssl_protection *protection, uint8_t *to, const uint8_t *record, uint32_t length,
			    uint8_t *type);

/* Wipes memory that held secrets. */
void openssl_wipe(void *at, size_t length);

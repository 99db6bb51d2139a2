/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's certificates, leaf first, and the roots that they are held to. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct openssl_chain;
struct openssl_anchors;

/* Trusted roots, from PEM. Immutable; used by any threads. NULL: openssl_take_text says why. */
struct openssl_anchors *openssl_anchors_new(const void *pem, size_t length);
void openssl_anchors_free(struct openssl_anchors *anchors);

/* How many certificates there are, the leaf included. */
int openssl_chain_count(const struct openssl_chain *chain);

/* SHA-256 of all certificates and their order. 0, or -1: no memory. */
int openssl_chain_digest(const struct openssl_chain *chain, uint8_t digest[32]);

/* The earliest end of a certificate of the chain, and the latest beginning; seconds since 1970. */
void openssl_chain_times(const struct openssl_chain *chain, int64_t *not_before, int64_t *not_after);

/* What a leaf says of itself. */
struct openssl_leaf {
	int uris;             /* URI names */
	int is_authority;     /* CA:TRUE, or its key may sign certificates or lists */
	int is_unreadable;    /* an extension does not parse */
	size_t uri_length;    /* of the first URI name */
	const uint8_t *uri;   /* valid as long as the names are: openssl_leaf_free */
	void *names;
};
void openssl_chain_leaf(const struct openssl_chain *chain, struct openssl_leaf *out);
void openssl_leaf_free(struct openssl_leaf *leaf);

/* What is wrong with a chain. */
enum openssl_chain_fault {
	OPENSSL_CHAIN_GOOD,
	OPENSSL_CHAIN_OTHER,
	OPENSSL_CHAIN_EXPIRED,
	OPENSSL_CHAIN_NOT_YET_VALID,
	OPENSSL_CHAIN_UNKNOWN_ISSUER,
	OPENSSL_CHAIN_SELF_SIGNED,
	OPENSSL_CHAIN_BAD_SIGNATURE,
	OPENSSL_CHAIN_NOT_AN_AUTHORITY,
	OPENSSL_CHAIN_TOO_LONG,
	OPENSSL_CHAIN_WEAK_KEY,
	OPENSSL_CHAIN_WEAK_DIGEST,
	OPENSSL_CHAIN_WRONG_USAGE,
	OPENSSL_CHAIN_UNKNOWN_CRITICAL,
	OPENSSL_CHAIN_NAME_CONSTRAINT,
	OPENSSL_CHAIN_MEMORY,
};

/*
 * Holds a chain to roots: signatures, times, usages and strength, as of `now` (seconds since 1970). `of_client` says
 * which usage the leaf needs.
 */
enum openssl_chain_fault openssl_chain_verify(const struct openssl_chain *chain, const struct openssl_anchors *anchors,
					      int of_client, int64_t now);

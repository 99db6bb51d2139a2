/* SPDX-License-Identifier: Apache-2.0 */
/* Records sealed and opened by OpenSSL's AES-GCM; which records, and when, is TLSWire's business. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include "openssl_records.h"

enum { HEADER = 5, TAG = 16, NONCE = 12, BLOCK = 16 };

struct openssl_protection {
	EVP_CIPHER_CTX *cipher;
	uint64_t records;
	uint32_t length;
	uint8_t nonce[NONCE];
	uint8_t seals;
	uint8_t secret[48];
};

void openssl_wipe(void *at, size_t length)
{
	OPENSSL_cleanse(at, length);
}

/* HKDF-Expand-Label with an empty context (RFC 8446 §7.1), for results no longer than the hash: one block. */
static int expand(const uint8_t *secret, uint32_t length, const char *label, uint8_t *out, uint8_t count)
{
	const EVP_MD *hash = length == 48 ? EVP_sha384() : EVP_sha256();
	uint8_t info[64] = {0, count, (uint8_t)(6 + strlen(label)), 't', 'l', 's', '1', '3', ' '};
	uint8_t block[EVP_MAX_MD_SIZE];
	size_t at = 9 + strlen(label);
	unsigned size = 0;

	memcpy(info + 9, label, strlen(label));
	info[at++] = 0;
	info[at++] = 1;
	if (!HMAC(hash, secret, (int)length, info, at, block, &size) || size < count)
		return 0;
	memcpy(out, block, count);
	OPENSSL_cleanse(block, sizeof block);
	return 1;
}

/* Keys from the present secret. */
static int set_keys(struct openssl_protection *protection)
{
	int is_long = protection->length == 48;
	const EVP_CIPHER *kind = is_long ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
	uint8_t key[32];
	int good = expand(protection->secret, protection->length, "key", key, is_long ? 32 : 16) &&
		   expand(protection->secret, protection->length, "iv", protection->nonce, NONCE) &&
		   EVP_CipherInit_ex(protection->cipher, kind, NULL, key, NULL, protection->seals);

	protection->records = 0;
	OPENSSL_cleanse(key, sizeof key);
	return good;
}

struct openssl_protection *openssl_protection_new(const uint8_t *secret, uint32_t length, int seals)
{
	struct openssl_protection *protection = length == 32 || length == 48 ? calloc(1, sizeof *protection) : NULL;

	if (!protection)
		return NULL;
	protection->cipher = EVP_CIPHER_CTX_new();
	protection->length = length;
	protection->seals = seals != 0;
	memcpy(protection->secret, secret, length);
	if (protection->cipher && set_keys(protection))
		return protection;
	openssl_protection_free(protection);
	ERR_clear_error();
	return NULL;
}

void openssl_protection_free(struct openssl_protection *protection)
{
	if (!protection)
		return;
	EVP_CIPHER_CTX_free(protection->cipher);
	OPENSSL_cleanse(protection, sizeof *protection);
	free(protection);
}

int openssl_protection_update(struct openssl_protection *protection)
{
	uint8_t next[48];
	int good = expand(protection->secret, protection->length, "traffic upd", next, (uint8_t)protection->length);

	if (good) {
		memcpy(protection->secret, next, protection->length);
		good = set_keys(protection);
	}
	OPENSSL_cleanse(next, sizeof next);
	return good ? 0 : -1;
}

uint64_t openssl_protection_records(const struct openssl_protection *protection)
{
	return protection->records;
}

/* The nonce of the next record: its number over the end of the keys' own. */
static void next_nonce(const struct openssl_protection *protection, uint8_t nonce[NONCE])
{
	memcpy(nonce, protection->nonce, NONCE);
	for (int i = 0; i < 8; i++)
		nonce[NONCE - 1 - i] ^= (uint8_t)(protection->records >> (8 * i));
}

int openssl_protection_seal(struct openssl_protection *protection, uint8_t *to, const uint8_t *from, uint32_t count,
			    uint8_t type)
{
	EVP_CIPHER_CTX *cipher = protection->cipher;
	uint32_t body = count + 1 + TAG, whole = count / BLOCK * BLOCK;
	uint8_t nonce[NONCE], rest[BLOCK];
	int size;

	/* What does not fill a block goes together with the type that stands behind it; taken out first, because the
	 * record may be written over what it is made of. */
	memcpy(rest, from + whole, count - whole);
	rest[count - whole] = type;
	next_nonce(protection, nonce);
	to[0] = 23;
	to[1] = 3;
	to[2] = 3;
	to[3] = (uint8_t)(body >> 8);
	to[4] = (uint8_t)body;
	if (!EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, nonce) || !EVP_EncryptUpdate(cipher, NULL, &size, to, HEADER) ||
	    (whole && !EVP_EncryptUpdate(cipher, to + HEADER, &size, from, (int)whole)) ||
	    !EVP_EncryptUpdate(cipher, to + HEADER + whole, &size, rest, (int)(count - whole + 1)) ||
	    !EVP_EncryptFinal_ex(cipher, to + HEADER + count + 1, &size) ||
	    !EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, to + HEADER + count + 1)) {
		ERR_clear_error();
		return -1;
	}
	protection->records++;
	return (int)(HEADER + body);
}

int openssl_protection_open(struct openssl_protection *protection, uint8_t *to, const uint8_t *record, uint32_t length,
			    uint8_t *type)
{
	EVP_CIPHER_CTX *cipher = protection->cipher;
	uint32_t count = length - HEADER - TAG;
	uint8_t nonce[NONCE], tag[TAG];
	int size;

	if (length <= HEADER + TAG)
		return -1;
	next_nonce(protection, nonce);
	memcpy(tag, record + HEADER + count, TAG);
	if (!EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, nonce) ||
	    !EVP_DecryptUpdate(cipher, NULL, &size, record, HEADER) ||
	    !EVP_DecryptUpdate(cipher, to, &size, record + HEADER, (int)count) ||
	    !EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG, tag) || EVP_DecryptFinal_ex(cipher, tag, &size) <= 0) {
		ERR_clear_error();
		return -1;
	}
	protection->records++;
	/* Padding of zeros, then the type (RFC 8446 §5.4). */
	while (count && !to[count - 1])
		count--;
	if (!count)
		return -2;
	*type = to[count - 1];
	return (int)count - 1;
}

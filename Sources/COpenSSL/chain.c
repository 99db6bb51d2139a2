/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's certificates: what they say, and whether roots stand behind them. */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "openssl_chain.h"

/* A chain is OpenSSL's stack of certificates, an anchor set its store: both only ever seen by these pointers. */
static STACK_OF(X509) *stack(const struct openssl_chain *chain)
{
	return (STACK_OF(X509) *)(uintptr_t)chain;
}

/* Adds every certificate of a PEM text; how many, or -1: one does not parse, or there is no memory. */
static int add_all(X509_STORE *store, BIO *source)
{
	int count = 0, good = 1;
	X509 *root;

	while (good && (root = PEM_read_bio_X509(source, NULL, NULL, NULL))) {
		good = X509_STORE_add_cert(store, root);
		count += good;
		X509_free(root);
	}
	/* The end of the text is an error of its own kind; any other is a block that does not parse. */
	if (!good || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return -1;
	if (count)
		ERR_clear_error();
	return count;
}

struct openssl_anchors *openssl_anchors_new(const void *pem, size_t length)
{
	BIO *source = length > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)length);
	X509_STORE *store = X509_STORE_new();
	int good;

	ERR_clear_error();
	good = source && store && add_all(store, source) > 0;
	BIO_free(source);
	if (good)
		return (struct openssl_anchors *)store;
	X509_STORE_free(store);
	return NULL;
}

void openssl_anchors_free(struct openssl_anchors *anchors)
{
	X509_STORE_free((X509_STORE *)anchors);
}

int openssl_chain_count(const struct openssl_chain *chain)
{
	return sk_X509_num(stack(chain));
}

int openssl_chain_digest(const struct openssl_chain *chain, uint8_t digest[32])
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	int good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL);

	for (int i = 0; good && i < sk_X509_num(stack(chain)); i++) {
		uint8_t one[EVP_MAX_MD_SIZE];
		unsigned size = 0;

		/* Digests of fixed size, so that no two chains can look like one another. */
		good = X509_digest(sk_X509_value(stack(chain), i), EVP_sha256(), one, &size) &&
		       EVP_DigestUpdate(hash, one, size);
	}
	good = good && EVP_DigestFinal_ex(hash, digest, NULL);
	EVP_MD_CTX_free(hash);
	return good ? 0 : -1;
}

/* Seconds since 1970; `otherwise` for a time that cannot be read. */
static int64_t seconds(const ASN1_TIME *time, int64_t otherwise)
{
	struct tm broken;
	time_t value;

	if (!time || !ASN1_TIME_to_tm(time, &broken))
		return otherwise;
	value = timegm(&broken);
	return value;
}

void openssl_chain_times(const struct openssl_chain *chain, int64_t *not_before, int64_t *not_after)
{
	*not_before = INT64_MIN;
	*not_after = INT64_MAX;
	for (int i = 0; i < sk_X509_num(stack(chain)); i++) {
		const X509 *one = sk_X509_value(stack(chain), i);
		int64_t from = seconds(X509_get0_notBefore(one), INT64_MAX);
		int64_t to = seconds(X509_get0_notAfter(one), INT64_MIN);

		*not_before = from > *not_before ? from : *not_before;
		*not_after = to < *not_after ? to : *not_after;
	}
}

void openssl_chain_leaf(const struct openssl_chain *chain, struct openssl_leaf *out)
{
	X509 *leaf = sk_X509_value(stack(chain), 0);
	int problem = -1;
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &problem, NULL);
	uint32_t usage = X509_get_key_usage(leaf);

	*out = (struct openssl_leaf){.names = names};
	/* Absent is -1 and no fault here; -2 (twice) and an extension that does not parse are. */
	out->is_unreadable = (!names && problem != -1) || X509_get_extension_flags(leaf) & EXFLAG_INVALID;
	out->is_authority = X509_check_ca(leaf) != 0 ||
			    (usage != UINT32_MAX && usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_URI)
			continue;
		if (!out->uris++) {
			out->uri = ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
			out->uri_length = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
		}
	}
	ERR_clear_error();
}

void openssl_leaf_free(struct openssl_leaf *leaf)
{
	GENERAL_NAMES_free(leaf->names);
	leaf->names = NULL;
	leaf->uri = NULL;
	leaf->uri_length = 0;
}

static enum openssl_chain_fault fault(int error)
{
	switch (error) {
	case X509_V_OK:
		return OPENSSL_CHAIN_GOOD;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
		return OPENSSL_CHAIN_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
		return OPENSSL_CHAIN_NOT_YET_VALID;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		return OPENSSL_CHAIN_UNKNOWN_ISSUER;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return OPENSSL_CHAIN_SELF_SIGNED;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
	case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
	case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
		return OPENSSL_CHAIN_BAD_SIGNATURE;
	case X509_V_ERR_INVALID_CA:
	case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
		return OPENSSL_CHAIN_NOT_AN_AUTHORITY;
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		return OPENSSL_CHAIN_TOO_LONG;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
		return OPENSSL_CHAIN_WEAK_KEY;
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return OPENSSL_CHAIN_WEAK_DIGEST;
	case X509_V_ERR_INVALID_PURPOSE:
	case X509_V_ERR_CERT_REJECTED:
	case X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE:
		return OPENSSL_CHAIN_WRONG_USAGE;
	case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
		return OPENSSL_CHAIN_UNKNOWN_CRITICAL;
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
	case X509_V_ERR_SUBTREE_MINMAX:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
	case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
		return OPENSSL_CHAIN_NAME_CONSTRAINT;
	case X509_V_ERR_OUT_OF_MEM:
		return OPENSSL_CHAIN_MEMORY;
	default:
		return OPENSSL_CHAIN_OTHER;
	}
}

enum openssl_chain_fault openssl_chain_verify(const struct openssl_chain *chain, const struct openssl_anchors *anchors,
					      int of_client, int64_t now)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	enum openssl_chain_fault result = OPENSSL_CHAIN_MEMORY;

	if (check &&
	    X509_STORE_CTX_init(check, (X509_STORE *)(uintptr_t)anchors, sk_X509_value(stack(chain), 0), stack(chain))) {
		X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(check);

		X509_VERIFY_PARAM_set_time(rules, (time_t)now);
		/* 112 bits: no RSA below 2048, no SHA-1. */
		X509_VERIFY_PARAM_set_auth_level(rules, 2);
		X509_VERIFY_PARAM_set_purpose(rules, of_client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
		if (X509_verify_cert(check) == 1)
			result = OPENSSL_CHAIN_GOOD;
		else
			result = fault(X509_STORE_CTX_get_error(check));
		/* No error without a name, and no name without an error. */
		if (result == OPENSSL_CHAIN_GOOD && X509_STORE_CTX_get_error(check) != X509_V_OK)
			result = OPENSSL_CHAIN_OTHER;
	}
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's reasons, translated. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include "openssl_failure.h"

/* A peer's alert, by its number (RFC 8446 §6). */
static enum openssl_failure of_alert(int alert)
{
	switch (alert) {
	case SSL3_AD_BAD_CERTIFICATE:
	case SSL3_AD_UNSUPPORTED_CERTIFICATE:
	case SSL3_AD_CERTIFICATE_REVOKED:
	case SSL3_AD_CERTIFICATE_EXPIRED:
	case SSL3_AD_CERTIFICATE_UNKNOWN:
	case TLS1_AD_UNKNOWN_CA:
	case TLS1_AD_ACCESS_DENIED:
	case TLS13_AD_CERTIFICATE_REQUIRED:
		return OPENSSL_FAILURE_PEER_REFUSED;
	case TLS1_AD_PROTOCOL_VERSION:
		return OPENSSL_FAILURE_VERSION;
	case TLS1_AD_NO_APPLICATION_PROTOCOL:
		return OPENSSL_FAILURE_PROTOCOL_NAME;
	default:
		return OPENSSL_FAILURE_PEER_ALERT;
	}
}

static enum openssl_failure of_tls(int reason)
{
	switch (reason) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_VERSION_TOO_HIGH:
	case SSL_R_WRONG_SSL_VERSION:
	case SSL_R_INAPPROPRIATE_FALLBACK:
	case SSL_R_BAD_LEGACY_VERSION:
	case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
		return OPENSSL_FAILURE_VERSION;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_CIPHERS_SPECIFIED:
	case SSL_R_NO_CIPHERS_AVAILABLE:
	case SSL_R_UNKNOWN_CIPHER_RETURNED:
	case SSL_R_WRONG_CIPHER_RETURNED:
		return OPENSSL_FAILURE_CIPHER;
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_BAD_KEY_SHARE:
	case SSL_R_BAD_ECPOINT:
	case SSL_R_MISSING_SUPPORTED_GROUPS_EXTENSION:
		return OPENSSL_FAILURE_GROUP;
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_WRONG_SIGNATURE_TYPE:
	case SSL_R_MISSING_SIGALGS_EXTENSION:
		return OPENSSL_FAILURE_SIGNATURE_KIND;
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return OPENSSL_FAILURE_PROTOCOL_NAME;
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_UNKNOWN_PROTOCOL:
		return OPENSSL_FAILURE_NOT_TLS;
	case SSL_R_UNEXPECTED_MESSAGE:
	case SSL_R_UNEXPECTED_RECORD:
	case SSL_R_UNEXPECTED_CCS_MESSAGE:
	case SSL_R_BAD_CHANGE_CIPHER_SPEC:
	case SSL_R_NO_RENEGOTIATION:
	case SSL_R_NOT_ON_RECORD_BOUNDARY:
	case SSL_R_TOO_MANY_KEY_UPDATES:
	case SSL_R_TOO_MANY_WARN_ALERTS:
	case SSL_R_TOO_MUCH_EARLY_DATA:
	case SSL_R_APP_DATA_IN_HANDSHAKE:
	case SSL_R_RECORD_TOO_SMALL:
	case SSL_R_EXTENSION_NOT_RECEIVED:
	case SSL_R_BAD_RECORD_TYPE:
		return OPENSSL_FAILURE_UNEXPECTED;
	case SSL_R_DECRYPTION_FAILED:
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
		return OPENSSL_FAILURE_RECORD;
	case SSL_R_DATA_LENGTH_TOO_LONG:
	case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
		return OPENSSL_FAILURE_RECORD_SIZE;
	case SSL_R_BAD_SIGNATURE:
		return OPENSSL_FAILURE_PROOF;
	case SSL_R_DIGEST_CHECK_FAILED:
	case SSL_R_BAD_DIGEST_LENGTH:
		return OPENSSL_FAILURE_FINISHED;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_NO_CERTIFICATES_RETURNED:
		return OPENSSL_FAILURE_NO_CERTIFICATE;
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return OPENSSL_FAILURE_CERTIFICATE;
	case SSL_R_EXCESSIVE_MESSAGE_SIZE:
		return OPENSSL_FAILURE_CERTIFICATE_SIZE;
	case SSL_R_CERT_LENGTH_MISMATCH:
	case SSL_R_UNKNOWN_CERTIFICATE_TYPE:
		return OPENSSL_FAILURE_CERTIFICATE_FORM;
	case SSL_R_LENGTH_MISMATCH:
	case SSL_R_LENGTH_TOO_SHORT:
	case SSL_R_LENGTH_TOO_LONG:
	case SSL_R_BAD_LENGTH:
	case SSL_R_BAD_PACKET:
	case SSL_R_BAD_EXTENSION:
	case SSL_R_BAD_HELLO_REQUEST:
	case SSL_R_INVALID_COMPRESSION_ALGORITHM:
	case SSL_R_NO_COMPRESSION_SPECIFIED:
		return OPENSSL_FAILURE_MALFORMED;
	default:
		return OPENSSL_FAILURE_OTHER;
	}
}

static enum openssl_failure of_code(unsigned long code, int *alert)
{
	int reason = ERR_GET_REASON(code);

	if (reason == ERR_R_MALLOC_FAILURE)
		return OPENSSL_FAILURE_MEMORY;
	if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
		if (reason == ERR_R_ASN1_LIB || reason == ERR_R_X509_LIB)
			return OPENSSL_FAILURE_CERTIFICATE_FORM;
		/* The peer's alerts have numbers of their own behind this one. */
		if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
			*alert = reason - SSL_AD_REASON_OFFSET;
			return of_alert(*alert);
		}
		return of_tls(reason);
	}
	if (ERR_GET_LIB(code) == ERR_LIB_ASN1 || ERR_GET_LIB(code) == ERR_LIB_X509)
		return OPENSSL_FAILURE_CERTIFICATE_FORM;
	return OPENSSL_FAILURE_OTHER;
}

enum openssl_failure openssl_take_failure(int *alert)
{
	enum openssl_failure found = OPENSSL_FAILURE_NONE;
	unsigned long code;

	*alert = -1;
	/* What TLS says weighs more than what the parts below it had said before; of its own words, the first. */
	while ((code = ERR_get_error())) {
		enum openssl_failure one = of_code(code, alert);
		int is_vague = found == OPENSSL_FAILURE_NONE || found == OPENSSL_FAILURE_OTHER;

		if (is_vague || (found == OPENSSL_FAILURE_CERTIFICATE_FORM && one == OPENSSL_FAILURE_CERTIFICATE))
			found = one;
	}
	return found;
}

void openssl_take_text(char *text, unsigned long size)
{
	unsigned long code = ERR_get_error();

	if (code)
		ERR_error_string_n(code, text, size);
	else if (size)
		text[0] = 0;
	ERR_clear_error();
}

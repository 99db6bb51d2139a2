/* SPDX-License-Identifier: Apache-2.0 */
/* What connections share: versions, suites, the own certificate, and who judges the peers'. */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include "session_parts.h"

static int no_passphrase(char *text, int size, int writing, void *opaque)
{
	(void)text, (void)size, (void)writing, (void)opaque;
	return -1;
}

/* The leaf, then what goes along with it. */
static int use_chain(SSL_CTX *ctx, const void *pem, size_t length)
{
	BIO *source = length > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)length);
	X509 *one = source ? PEM_read_bio_X509(source, NULL, no_passphrase, NULL) : NULL;
	int good = one && SSL_CTX_use_certificate(ctx, one);

	X509_free(one);
	while (good && (one = PEM_read_bio_X509(source, NULL, no_passphrase, NULL)))
		if (!SSL_CTX_add0_chain_cert(ctx, one)) {
			X509_free(one);
			good = 0;
		}
	if (good) {
		/* Only the end of the text may have ended this. */
		good = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		if (good)
			ERR_clear_error();
	}
	BIO_free(source);
	return good;
}

static int use_key(SSL_CTX *ctx, const void *pem, size_t length)
{
	BIO *source = length > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)length);
	EVP_PKEY *key = source ? PEM_read_bio_PrivateKey(source, NULL, no_passphrase, NULL) : NULL;
	int good = key && SSL_CTX_use_PrivateKey(ctx, key) && SSL_CTX_check_private_key(ctx);

	EVP_PKEY_free(key);
	BIO_free(source);
	return good;
}

/* The own order of preference; none in common ends the handshake. */
static int choose_protocol(SSL *ssl, const unsigned char **name, unsigned char *length, const unsigned char *offered,
			   unsigned offered_length, void *opaque)
{
	struct openssl_settings *settings = opaque;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, length, settings->protocols, settings->protocols_length, offered,
				  offered_length) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*name = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int verdict_error(int verdict)
{
	switch (verdict) {
	case OPENSSL_VERDICT_TAKEN:
		return X509_V_OK;
	case OPENSSL_VERDICT_EXPIRED:
		return X509_V_ERR_CERT_HAS_EXPIRED;
	case OPENSSL_VERDICT_UNKNOWN_ISSUER:
		return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
	case OPENSSL_VERDICT_UNSUITABLE:
		return X509_V_ERR_INVALID_PURPOSE;
	default:
		return X509_V_ERR_CERT_REJECTED;
	}
}

/* In place of OpenSSL's own verification of the peer's chain. */
static int judge_chain(X509_STORE_CTX *check, void *opaque)
{
	struct openssl_settings *settings = opaque;
	SSL *ssl = X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct openssl_session *session = ssl ? SSL_get_app_data(ssl) : NULL;
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(check);
	int verdict = OPENSSL_VERDICT_BAD;

	if (session && chain && sk_X509_num(chain) > 0)
		verdict = settings->judge(session->opaque, (const struct openssl_chain *)chain);
	X509_STORE_CTX_set_error(check, verdict_error(verdict));
	return verdict == OPENSSL_VERDICT_TAKEN;
}

/* Another certificate for a peer that asks for another name. All settings of a server differ in nothing else. */
static int choose_settings(SSL *ssl, int *alert, void *opaque)
{
	struct openssl_settings *settings = opaque;
	struct openssl_session *session = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct openssl_settings *chosen = session ? settings->choose(session->opaque, name) : NULL;

	if (chosen == settings || (chosen && SSL_set_SSL_CTX(ssl, chosen->ctx)))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int nibble(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Secrets come as lines of a key log: "NAME client-random secret". */
static void note_secret(const SSL *ssl, const char *line)
{
	struct openssl_session *session = SSL_get_app_data(ssl);
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ", server[] = "SERVER_TRAFFIC_SECRET_0 ";
	uint8_t *to;
	const char *from;
	uint32_t count = 0;

	if (!session)
		return;
	if (!strncmp(line, client, sizeof client - 1))
		to = session->secrets.client;
	else if (!strncmp(line, server, sizeof server - 1))
		to = session->secrets.server;
	else
		return;
	from = strrchr(line, ' ');
	while (from && count < sizeof session->secrets.client) {
		int high = nibble(from[1 + 2 * count]);
		int low = high < 0 ? -1 : nibble(from[2 + 2 * count]);

		if (low < 0)
			break;
		to[count++] = (uint8_t)(high << 4 | low);
	}
	session->secrets.length = count;
}

/* Versions, suites and what is turned off, as docs/design says. */
static int restrict_protocol(struct openssl_settings *settings)
{
	SSL_CTX *ctx = settings->ctx;

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_recv_max_early_data(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_quiet_shutdown(ctx, 0);
	settings->is_quantum_safe = SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256");
	ERR_clear_error();
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) && SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
	       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384") &&
	       SSL_CTX_set_num_tickets(ctx, 0) &&
	       (settings->is_quantum_safe || SSL_CTX_set1_groups_list(ctx, "X25519:P-256"));
}

static int set_up(struct openssl_settings *settings, int is_server, const void *chain, size_t chain_length,
		  const void *key, size_t key_length, unsigned largest_chain)
{
	SSL_CTX *ctx = settings->ctx;

	if (!ctx || !restrict_protocol(settings) || !use_chain(ctx, chain, chain_length) || !use_key(ctx, key, key_length))
		return 0;
	SSL_CTX_set_max_cert_list(ctx, largest_chain);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, judge_chain, settings);
	SSL_CTX_set_keylog_callback(ctx, note_secret);
	if (is_server && !(SSL_CTX_set_tlsext_servername_callback(ctx, choose_settings) &&
			   SSL_CTX_set_tlsext_servername_arg(ctx, settings)))
		return 0;
	if (settings->protocols_length && is_server)
		SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, settings);
	/* Answers 0 for success, unlike all others. */
	return !settings->protocols_length || is_server ||
	       !SSL_CTX_set_alpn_protos(ctx, settings->protocols, settings->protocols_length);
}

struct openssl_settings *openssl_settings_new(int is_server, const void *chain, size_t chain_length, const void *key,
					      size_t key_length, const uint8_t *protocols, unsigned protocols_length,
					      unsigned largest_chain, openssl_judge *judge, openssl_chooser *choose)
{
	struct openssl_settings *settings = calloc(1, sizeof *settings);

	ERR_clear_error();
	if (!settings || protocols_length > sizeof settings->protocols) {
		free(settings);
		return NULL;
	}
	settings->judge = judge;
	settings->choose = choose;
	settings->is_server = is_server;
	settings->protocols_length = protocols_length;
	if (protocols_length)
		memcpy(settings->protocols, protocols, protocols_length);
	settings->ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
	if (set_up(settings, is_server, chain, chain_length, key, key_length, largest_chain))
		return settings;
	openssl_settings_free(settings);
	return NULL;
}

void openssl_settings_free(struct openssl_settings *settings)
{
	if (!settings)
		return;
	SSL_CTX_free(settings->ctx);
	free(settings);
}

int64_t openssl_settings_not_after(const struct openssl_settings *settings)
{
	const X509 *leaf = SSL_CTX_get0_certificate(settings->ctx);
	struct tm broken;

	return leaf && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &broken) ? timegm(&broken) : 0;
}

int openssl_settings_are_quantum_safe(const struct openssl_settings *settings)
{
	return settings->is_quantum_safe;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenSSL's error queue says, in names of ours: its numbers differ between versions. */
#pragma once

/* Why a handshake or a record failed. The certificate's own failures are named by whoever judges it. */
enum openssl_failure {
	OPENSSL_FAILURE_NONE,
	OPENSSL_FAILURE_OTHER,           /* something that has no name here */
	OPENSSL_FAILURE_MEMORY,
	OPENSSL_FAILURE_VERSION,         /* the peer does not speak TLS 1.3 */
	OPENSSL_FAILURE_CIPHER,          /* no cipher suite in common */
	OPENSSL_FAILURE_GROUP,           /* no key exchange in common, or a bad share of it */
	OPENSSL_FAILURE_SIGNATURE_KIND,  /* no signature algorithm in common */
	OPENSSL_FAILURE_PROTOCOL_NAME,   /* no ALPN name in common */
	OPENSSL_FAILURE_NOT_TLS,         /* the bytes are something else, HTTP for example */
	OPENSSL_FAILURE_MALFORMED,       /* a message that does not parse */
	OPENSSL_FAILURE_UNEXPECTED,      /* a message that has no place here, renegotiation for one */
	OPENSSL_FAILURE_RECORD,          /* a record that does not open with the keys */
	OPENSSL_FAILURE_RECORD_SIZE,
	OPENSSL_FAILURE_PROOF,           /* the peer does not have its certificate's key */
	OPENSSL_FAILURE_FINISHED,        /* the handshakes of both sides differ */
	OPENSSL_FAILURE_NO_CERTIFICATE,
	OPENSSL_FAILURE_CERTIFICATE,     /* whoever judges certificates said no */
	OPENSSL_FAILURE_CERTIFICATE_SIZE,
	OPENSSL_FAILURE_CERTIFICATE_FORM, /* a certificate that does not parse */
	OPENSSL_FAILURE_PEER_REFUSED,    /* the peer's alert says that it does not like our certificate */
	OPENSSL_FAILURE_PEER_ALERT,      /* another alert of the peer's */
};

/* The first error in the calling thread's queue, which is emptied. `alert` gets the peer's alert number, or -1. */
enum openssl_failure openssl_take_failure(int *alert);

/* Text of the first error in the queue, which is emptied; for what the operator configures, not for peers. */
void openssl_take_text(char *text, unsigned long size);

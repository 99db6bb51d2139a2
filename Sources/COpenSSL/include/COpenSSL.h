/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL 3, as far as TLSWire uses it: TLS 1.3 between memory and memory, certificates looked at, records sealed and
 * opened. OpenSSL's own headers stay inside: their macros do not import, and other parts of a program may link another
 * library with the same names.
 *
 * Convention: pointers that a function returns are freed with the function that says so. Nothing here keeps global
 * state besides OpenSSL's error queue of the calling thread, which is left empty.
 */
#pragma once
#include "openssl_chain.h"
#include "openssl_failure.h"
#include "openssl_records.h"
#include "openssl_session.h"
#include "openssl_settings.h"

/* SPDX-License-Identifier: Apache-2.0 */
/* What backend and load generator agree on: the fixed answer, and the pattern of a bulk body. */
#pragma once
#include <stdint.h>

#define BODY                                                                                       \
	"0123456789012345678901234567890123456789012345678\n"                                      \
	"0123456789012345678901234567890123456789012345678\n"
#define ANSWER                                                                                     \
	"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\n" BODY
#define ANSWER_LENGTH (sizeof(ANSWER) - 1)

/* Prime, so that a lost or repeated page or buffer shifts the pattern. */
#define PATTERN_PERIOD 251

/* The byte that stands at `position` of a bulk body. */
static inline unsigned char pattern_at(uint64_t position)
{
	return (unsigned char)(position % PATTERN_PERIOD);
}

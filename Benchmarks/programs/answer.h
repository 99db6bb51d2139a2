/* SPDX-License-Identifier: Apache-2.0 */
/* What backend and load generator agree on: the fixed answer, and the pattern of a bulk body. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BODY                                                                                       \
	"0123456789012345678901234567890123456789012345678\n"                                      \
	"0123456789012345678901234567890123456789012345678\n"
#define ANSWER                                                                                     \
	"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\n" BODY
#define ANSWER_LENGTH (sizeof(ANSWER) - 1)

/* How far an answer was read. A proxy may write its head in its own way: what must be the same is status and body. */
struct answer {
	uint32_t tail; /* the last four bytes of the head */
	uint32_t head; /* bytes of it */
	uint32_t body; /* bytes of the body */
	int in_body;
};

#define BODY_LENGTH (sizeof(BODY) - 1)

/* Takes bytes of an answer. Returns -1 when they are wrong, 1 at its end, 0 when more has to come. */
static inline int answer_take(struct answer *answer, const char *bytes, size_t length)
{
	static const char status[] = "HTTP/1.1 200";
	size_t i = 0;
	for (; i < length && !answer->in_body; i++) {
		if (answer->head < sizeof(status) - 1 && bytes[i] != status[answer->head])
			return -1;
		answer->head++;
		answer->tail = answer->tail << 8 | (unsigned char)bytes[i];
		answer->in_body = answer->tail == 0x0d0a0d0a;
	}
	length -= i;
	if (answer->body + length > BODY_LENGTH || memcmp(bytes + i, &BODY[answer->body], length) != 0)
		return -1;
	answer->body += (uint32_t)length;
	return answer->in_body && answer->body == BODY_LENGTH;
}

/* Prime, so that a lost or repeated page or buffer shifts the pattern. */
#define PATTERN_PERIOD 251

/* The byte that stands at `position` of a bulk body. */
static inline unsigned char pattern_at(uint64_t position)
{
	return (unsigned char)(position % PATTERN_PERIOD);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Content that tells where in it each byte belongs, and its checksum (FNV-1a). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define FNV_START 0xcbf29ce484222325ull

/* Byte i of the pattern: position-dependent, so that loss, repetition and mixing up all show. */
static inline unsigned char pattern(uint64_t i)
{
	uint64_t x = i * 0x9e3779b97f4a7c15ull;

	return (unsigned char)(x >> 56 ^ x >> 29);
}

static inline uint64_t checksum(uint64_t sum, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ull;
	return sum;
}

static inline uint64_t pattern_checksum(uint64_t count)
{
	uint64_t sum = FNV_START;

	for (uint64_t i = 0; i < count; i++) {
		unsigned char byte = pattern(i);

		sum = checksum(sum, &byte, 1);
	}
	return sum;
}

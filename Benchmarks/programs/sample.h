/* SPDX-License-Identifier: Apache-2.0 */
/* One sample of a load: when it starts, what it counts, how it is reported. */
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Latencies, log-linear: 32 buckets to each power of two, so an error of at most 3 %. */
#ifndef BUCKET_BITS /* a load may want another */
#define BUCKET_BITS 5
#endif
#define BUCKETS (64 << BUCKET_BITS)

struct sample {
	uint64_t operations, errors, bytes;
	uint64_t started, cpu_started;
	uint32_t latency[BUCKETS];
	char first_error[160];
};

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint32_t bucket_of(uint64_t ns)
{
	if (ns < (1u << BUCKET_BITS))
		return (uint32_t)ns;
	uint32_t exponent = 63u - (uint32_t)__builtin_clzll(ns) - BUCKET_BITS;
	return ((exponent + 1) << BUCKET_BITS) + (uint32_t)((ns >> exponent) & ((1u << BUCKET_BITS) - 1));
}

/* The lower edge of a bucket, in nanoseconds. */
static inline uint64_t bucket_edge(uint32_t bucket)
{
	if (bucket < (1u << BUCKET_BITS))
		return bucket;
	return ((1ull << BUCKET_BITS) + (bucket & ((1u << BUCKET_BITS) - 1))) << ((bucket >> BUCKET_BITS) - 1);
}

static inline void sample_operation(struct sample *sample, uint64_t begun)
{
	sample->operations++;
	sample->latency[bucket_of(clock_ns(CLOCK_MONOTONIC) - begun)]++;
}

__attribute__((format(printf, 2, 3))) static inline void sample_error(struct sample *sample, const char *format, ...)
{
	if (sample->errors++ == 0) {
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(sample->first_error, sizeof(sample->first_error), format, arguments);
		va_end(arguments);
	}
}

/* Says that all is ready and waits for a line: whoever measures reads its CPU counters in between. */
static inline void sample_begin(struct sample *sample)
{
	char line[16];
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
	sample->started = clock_ns(CLOCK_MONOTONIC);
	sample->cpu_started = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline uint64_t sample_percentile(const struct sample *sample, double share)
{
	uint64_t wanted = (uint64_t)((double)sample->operations * share), seen = 0;
	for (uint32_t i = 0; i < BUCKETS; i++) {
		seen += sample->latency[i];
		if (seen > wanted)
			return bucket_edge(i);
	}
	return 0;
}

/* Prints the sample as one line of JSON. */
static inline void sample_end(const struct sample *sample)
{
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - sample->cpu_started;
	uint64_t wall = clock_ns(CLOCK_MONOTONIC) - sample->started;
	printf("{\"operations\": %llu, \"errors\": %llu, \"first_error\": \"%s\", \"bytes\": %llu, "
	       "\"wall_ns\": %llu, \"cpu_ns\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu}\n",
	       (unsigned long long)sample->operations, (unsigned long long)sample->errors, sample->first_error,
	       (unsigned long long)sample->bytes, (unsigned long long)wall, (unsigned long long)cpu,
	       (unsigned long long)sample_percentile(sample, 0.5), (unsigned long long)sample_percentile(sample, 0.99));
	fflush(stdout);
}

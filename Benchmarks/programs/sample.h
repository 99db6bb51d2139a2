/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of a load, one for each word from stdin: when one starts, what it counts, how it is reported. */
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Latencies, log-linear: 256 buckets to each power of two, so an error of at most 0.4 %. */
#ifndef BUCKET_BITS /* a load may want another */
#define BUCKET_BITS 8
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

/*
 * Says that all is ready and waits for a line: whoever measures reads its CPU counters in between. Each further line asks
 * for one more sample, from nothing. False once there are no more lines.
 */
static inline int sample_begin(struct sample *sample)
{
	static int is_ready;
	char line[16];
	if (!is_ready) {
		is_ready = 1;
		puts("ready");
		fflush(stdout);
	}
	if (!fgets(line, sizeof(line), stdin))
		return 0;
	*sample = (struct sample){};
	sample->cpu_started = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	sample->started = clock_ns(CLOCK_MONOTONIC);
	return 1;
}

/* How long a sample lasts that is asked for in seconds or parts of them. */
static inline uint64_t duration_ns(const char *seconds)
{
	return (uint64_t)(strtod(seconds, 0) * 1e9);
}

static inline uint64_t sample_percentile(const struct sample *sample, double share)
{
	uint64_t wanted = (uint64_t)((double)sample->operations * share), seen = 0;
	for (uint32_t i = 0; i < BUCKETS; i++) {
		uint64_t here = sample->latency[i];
		/* As if those in a bucket were spread over it evenly. */
		if (seen + here > wanted)
			return bucket_edge(i) + (bucket_edge(i + 1) - bucket_edge(i)) * (wanted - seen) / here;
		seen += here;
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

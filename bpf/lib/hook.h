/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What every program file includes first: context types, helpers, the license of the object. */
#pragma once
#include <linux/types.h>
/* clang merges accesses of a context's fields into arithmetic on the context pointer, which the
 * verifier refuses. The attribute keeps each access at its own constant offset. */
#pragma clang attribute push(__attribute__((preserve_static_offset)), apply_to = record)
#include <linux/bpf.h>
#pragma clang attribute pop
#include <bpf/bpf_helpers.h>

#include <bpf/bpf_endian.h>
#include <linux/in.h>
#include <stdbool.h>

#define MALLA_AF_INET 2
#define MALLA_AF_INET6 10

/* A function that a large program calls in more than one place: one copy of it, and a frame of its own on the stack. */
#define SUBPROGRAM static __attribute__((noinline, unused))

/* A function that the verifier looks at once, by itself: whatever it is given, and taking any answer from it. A pointer's
 * target must be there in whole, and the function has to ask whether it is NULL. Without this each caller's paths would be
 * multiplied by its own. */
#define APART __attribute__((noinline, unused))

/* What is seldom the case: its code is put out of the way of the rest, which then takes fewer lines of the CPU's cache. */
#define SELDOM(condition) __builtin_expect(!!(condition), 0)

/* For the helpers that only GPL-compatible programs may call; the sources are dual-licensed. */
char malla_license[] SEC("license") = "GPL";

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A refusal: counted, told, and answered with the errno of its reason. */
#pragma once
#include "count.h"
#include "event.h"
#include "hook.h"

/* What a hook in a system call answers to the kernel. */
enum hook_answer {
	REFUSE = 0,
	PROCEED = 1,
};

/* Neither counted nor told: for what nobody meant as a connection. */
static __always_inline int refuse_silently(const struct malla_explanation *it)
{
	bpf_set_retval(-it->error);
	return REFUSE;
}

static __always_inline int refuse(void *ctx, const struct malla_explanation *it)
{
	count_denied(it);
	event_refused(ctx, it);
	return refuse_silently(it);
}

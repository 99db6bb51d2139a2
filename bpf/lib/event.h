/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Events for people: refusals always, but rate-limited; the life of allowed connections on demand. */
#pragma once
#include "hook.h"
#include "maps.h"
#include "stat.h"

/* So many events of one source, target and reason in one window; the rest is counted as limited. */
#define EVENT_WINDOW_NS 1000000000ull
#define EVENT_BURST 10
/* The same of allowed connections, which are told only while somebody asks for them. */
#define EVENT_BURST_ALLOWED 1000

/* May one more event of this kind go out? Two CPUs may both take the last place: harmless. */
static __always_inline bool event_admitted(const struct malla_limit_key *key)
{
	__u64 burst =
		key->kind == MALLA_EVENT_OPENED || key->kind == MALLA_EVENT_CLOSED ? EVENT_BURST_ALLOWED : EVENT_BURST;
	struct malla_limit *limit = bpf_map_lookup_elem(&malla_limits, key);
	__u64 now = bpf_ktime_get_ns();

	if (!limit) {
		struct malla_limit first = {.window = now, .passed = 1};

		bpf_map_update_elem(&malla_limits, key, &first, BPF_ANY);
		return true;
	}
	if (now - limit->window >= EVENT_WINDOW_NS) {
		limit->window = now;
		limit->passed = 1;
		return true;
	}
	if (limit->passed < burst) {
		limit->passed++;
		return true;
	}
	stat_add(MALLA_STAT_EVENTS_LIMITED);
	return false;
}

/* Room for one event, zeroed; NULL: the daemon does not keep up, and the loss is counted. */
static __always_inline struct malla_event *event_reserve(__u32 kind)
{
	struct malla_event *event = bpf_ringbuf_reserve(&malla_events, sizeof(*event), 0);

	if (!event) {
		stat_add(MALLA_STAT_EVENTS_LOST);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->time = bpf_ktime_get_ns();
	return event;
}

/* The event of a refusal by the decision; NULL: enough of these, or no room. */
static __always_inline struct malla_event *event_of_refusal(const struct malla_explanation *it)
{
	struct malla_limit_key key = {
		.source_workload = it->source_workload,
		.target_workload = it->endpoint.workload,
		.service = it->service,
		.port = it->port,
		.reason = it->reason,
		.kind = MALLA_EVENT_REFUSED,
	};
	struct malla_event *event;

	if (!event_admitted(&key))
		return 0;
	event = event_reserve(MALLA_EVENT_REFUSED);
	if (!event)
		return 0;
	event->cgroup = it->cgroup;
	event->original = it->addr;
	event->original_port = it->port;
	event->destination = it->endpoint.addr;
	event->destination_port = it->endpoint.port;
	event->reason = it->reason;
	event->path = it->path;
	event->protocol = it->protocol;
	event->source = it->source;
	event->source_workload = it->source_workload;
	event->target = it->endpoint.identity;
	event->target_workload = it->endpoint.workload;
	event->service = it->service;
	event->rule = it->rule;
	return event;
}

/* Tells of a refusal: called in the refused process's own system call, with its hook's context. */
static __always_inline void event_refused(void *ctx, const struct malla_explanation *it)
{
	struct malla_event *event = event_of_refusal(it);

	if (!event)
		return;
	event->cookie = bpf_get_socket_cookie(ctx);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->command, sizeof(event->command));
	bpf_ringbuf_submit(event, 0);
}

/* Tells of a refused packet. Which process sent it is not known here. */
static __always_inline void event_refused_packet(const struct malla_explanation *it)
{
	struct malla_event *event = event_of_refusal(it);

	if (event)
		bpf_ringbuf_submit(event, 0);
}

/* One step in an allowed connection's life. Who runs meanwhile is not who connected, so there is
 * no process in it. NULL: it is lost. */
static __always_inline struct malla_event *event_filled(const struct malla_connection *record, __u32 kind,
							__u64 duration)
{
	struct malla_event *event = event_reserve(kind);

	if (!event)
		return 0;
	event->cookie = record->cookie;
	event->cgroup = record->cgroup;
	event->original = record->original;
	event->original_port = record->original_port;
	event->destination = record->destination;
	event->destination_port = record->destination_port;
	event->reason = record->reason;
	event->path = record->path;
	event->protocol = record->protocol;
	event->source = record->source;
	event->source_workload = record->source_workload;
	event->target = record->target;
	event->target_workload = record->target_workload;
	event->service = record->service;
	event->rule = record->rule;
	event->sent = record->sent;
	event->received = record->received;
	event->duration = duration;
	return event;
}

/* The same, told, unless there were enough of its kind between these two: a client may come again at once, for ever. */
SUBPROGRAM void event_of(const struct malla_connection *record, __u32 kind, __u64 duration)
{
	struct malla_limit_key key = {
		.source_workload = record->source_workload,
		.target_workload = record->target_workload,
		.service = record->service,
		.port = record->original_port,
		.reason = record->reason,
		.kind = kind,
	};
	struct malla_event *event;

	if (!event_admitted(&key))
		return;
	event = event_filled(record, kind, duration);
	if (event)
		bpf_ringbuf_submit(event, 0);
}

/* A connection was cut, by this rule of those in force now. Rate-limited: thousands may be cut at once. */
static __always_inline void event_cut(const struct malla_connection *record, __u32 reason, __u32 rule)
{
	struct malla_limit_key key = {
		.source_workload = record->source_workload,
		.target_workload = record->target_workload,
		.service = record->service,
		.port = record->original_port,
		.reason = reason,
		.kind = MALLA_EVENT_REVOKED,
	};
	struct malla_event *event;

	if (!event_admitted(&key))
		return;
	event = event_filled(record, MALLA_EVENT_REVOKED, bpf_ktime_get_ns() - record->opened);
	if (!event)
		return;
	event->reason = reason;
	event->rule = rule;
	bpf_ringbuf_submit(event, 0);
}

/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Who is connecting: the workload of the current process, by its cgroup. */
#pragma once
#include "entry.h"
#include "hook.h"
#include "maps.h"
#include <stdbool.h>

/* Levels below the root of the cgroup tree that are searched; a deeper process is unknown. */
#define SOURCE_DEPTH 24

/* The workload of exactly this cgroup; false: none. */
static __always_inline bool workload_read(__u64 cgroup, struct malla_workload *workload)
{
	return entry_read(&malla_workloads, &cgroup, workload, sizeof(*workload));
}

/* The same apart, for whoever looks for it in many places. */
APART int workload_of(__u64 cgroup, struct malla_workload *workload)
{
	return workload && workload_read(cgroup, workload);
}

/* The current process's workload: that of its own cgroup, or else of the deepest enrolled cgroup
 * above it (a service may make cgroups of its own). Answers that cgroup's id, 0 for none. */
APART __u64 current_workload(struct malla_workload *workload)
{
	__u64 own = bpf_get_current_cgroup_id();

	if (!workload)
		return 0; /* it is there; the verifier wants to hear it */

	if (workload_read(own, workload))
		return own;
	for (int level = SOURCE_DEPTH; level > 0; level--) {
		__u64 ancestor = bpf_get_current_ancestor_cgroup_id(level);

		if (ancestor && workload_of(ancestor, workload))
			return ancestor;
	}
	return 0;
}

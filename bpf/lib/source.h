/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Who is connecting: the workload of the current process, by its cgroup. */
#pragma once
#include "maps.h"

/* Levels below the root of the cgroup tree that are searched; a deeper process is unknown. */
#define SOURCE_DEPTH 24

static __always_inline const struct malla_workload *workload_of(__u64 cgroup)
{
	return bpf_map_lookup_elem(&malla_workloads, &cgroup);
}

/* The current process's workload: that of its own cgroup, or else of the deepest enrolled cgroup
 * above it (a service may make cgroups of its own). NULL: none. */
static __always_inline const struct malla_workload *current_workload(void)
{
	const struct malla_workload *workload = workload_of(bpf_get_current_cgroup_id());

	if (workload)
		return workload;
	for (int level = SOURCE_DEPTH; level > 0; level--) {
		__u64 ancestor = bpf_get_current_ancestor_cgroup_id(level);

		if (!ancestor)
			continue;
		workload = workload_of(ancestor);
		if (workload)
			return workload;
	}
	return 0;
}

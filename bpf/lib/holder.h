/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Whose is a cgroup that only a kernel struct names, as iterators find them? */
#pragma once
#include "hook.h"
#include "kernel.h"
#include "source.h"

static __always_inline __u64 cgroup_id(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, kn, id);
}

/* The deepest enrolled cgroup at or above the one that the kernel has at this address, by its id; 0: none. An address and
 * no pointer, because a function apart takes none of the kernel's: read it with BPF_CORE_READ. */
APART __u64 enrolled_above(__u64 address, struct malla_workload *workload)
{
	struct cgroup *cgroup = (struct cgroup *)address;
	int own = BPF_CORE_READ(cgroup, level);

	if (!workload)
		return 0; /* it is there; the verifier wants to hear it */
	for (int level = SOURCE_DEPTH; level > 0; level--) {
		struct cgroup *ancestor = 0;
		__u64 id;

		if (level > own)
			continue;
		bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
				      (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) +
					      level * sizeof(ancestor));
		id = ancestor ? cgroup_id(ancestor) : 0;
		if (id && workload_of(id, workload))
			return id;
	}
	return 0;
}

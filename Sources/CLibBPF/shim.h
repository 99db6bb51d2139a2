/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libbpf for Swift: its headers, and one small function for each call that takes an options
 * struct, because the macros that fill those in cannot be imported. All return what libbpf
 * returns: -errno on failure.
 */
#pragma once
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>

/* BTF_KIND_DATASEC and its like are macros and enumerators, which the importer finds ambiguous. */
static const __u32 clibbpf_kind_datasec = BTF_KIND_DATASEC;
static const __u32 clibbpf_kind_function = BTF_KIND_FUNC;

/* The magic number of the file system that an open file is on; -1 on failure. */
static inline __s64 clibbpf_filesystem_magic(int fd)
{
	struct statfs filesystem;
	return fstatfs(fd, &filesystem) ? -1 : (__s64)filesystem.f_type;
}

static inline struct bpf_object *clibbpf_open(const void *bytes, size_t size, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
	return bpf_object__open_mem(bytes, size, &options);
}

static inline int clibbpf_pinned(const char *path, __u32 file_flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = file_flags);
	return bpf_obj_get_opts(path, &options);
}

static inline int clibbpf_map_create(__u32 type, const char *name, __u32 key_size, __u32 value_size,
				     __u32 max_entries, __u32 flags, int inner_map_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags, .inner_map_fd = inner_map_fd);
	return bpf_map_create((enum bpf_map_type)type, name, key_size, value_size, max_entries, &options);
}

static inline int clibbpf_program_load(__u32 type, __u32 attach_type, const struct bpf_insn *code,
				       size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)attach_type,
		    /* The kernel takes programs of this type only when they may sleep. */
		    .prog_flags = type == BPF_PROG_TYPE_SYSCALL ? BPF_F_SLEEPABLE : 0);
	return bpf_prog_load((enum bpf_prog_type)type, "probe", "Dual MIT/GPL", code, count, &options);
}

/* A program of type tracing at an iterator, by the id of its function in the kernel's type information. */
static inline int clibbpf_iterator_load(__u32 function, const struct bpf_insn *code, size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_ITER, .attach_btf_id = function);
	return bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe", "Dual MIT/GPL", code, count, &options);
}

/* Socket storage of one int, which the kernel takes with a description of its types only. */
static inline int clibbpf_socket_storage_create(void)
{
	struct btf *types = btf__new_empty();
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	int map = -ENOMEM;

	if (!types)
		return map;
	int number = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
	map = number < 0 ? number : btf__load_into_kernel(types);
	if (map == 0) {
		options.btf_fd = btf__fd(types);
		options.btf_key_type_id = (__u32)number;
		options.btf_value_type_id = (__u32)number;
		map = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "probe", 4, 4, 0, &options);
	}
	btf__free(types);
	return map;
}

static inline int clibbpf_link_create(int program_fd, int target_fd, __u32 attach_type)
{
	LIBBPF_OPTS(bpf_link_create_opts, options);
	return bpf_link_create(program_fd, target_fd, (enum bpf_attach_type)attach_type, &options);
}

/* Newer than the kernel headers that this is built with: numbers of enum bpf_attach_type and bpf_link_type. */
enum clibbpf_newer {
	CLIBBPF_TCX_INGRESS = 46,
	CLIBBPF_TCX_EGRESS = 47,
	CLIBBPF_LINK_TYPE_TCX = 11,
};

/* The interface that a tcx link is attached to; 0: it is no such link, or its interface is gone. */
static inline __u32 clibbpf_link_interface(const struct bpf_link_info *info)
{
	/* These two numbers of a tcx link stand where a namespace link has its inode and hook. */
	return info->type == CLIBBPF_LINK_TYPE_TCX ? info->netns.netns_ino : 0;
}

/* Which of the two hooks of its interface a tcx link has. */
static inline __u32 clibbpf_link_direction(const struct bpf_link_info *info)
{
	return info->netns.attach_type;
}

/* The place of this library's filters: a handle of its own, before those that others put at the usual priorities. */
enum clibbpf_filter {
	CLIBBPF_FILTER_HANDLE = 0x6d61,
	CLIBBPF_FILTER_PRIORITY = 1,
};

/* Puts a program behind clsact, which is made where it is missing, in place of the one that this put there before. */
static inline int clibbpf_filter_attach(int interface, int egress, int program_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLIBBPF_FILTER_HANDLE, .priority = CLIBBPF_FILTER_PRIORITY,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);
	int failure = bpf_tc_hook_create(&hook);
	return failure && failure != -EEXIST ? failure : bpf_tc_attach(&hook, &options);
}

/* The id of the program that is there; 0: none. */
static inline int clibbpf_filter_query(int interface, int egress, __u32 *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLIBBPF_FILTER_HANDLE, .priority = CLIBBPF_FILTER_PRIORITY);
	int failure = bpf_tc_query(&hook, &options);
	*program = failure ? 0 : options.prog_id;
	return failure;
}

/* Takes it off. clsact stays: others may have filters there. */
static inline int clibbpf_filter_detach(int interface, int egress)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLIBBPF_FILTER_HANDLE, .priority = CLIBBPF_FILTER_PRIORITY);
	return bpf_tc_detach(&hook, &options);
}

static inline int clibbpf_link_create_iterator(int program_fd, int map_fd)
{
	union bpf_iter_link_info target = {.map = {.map_fd = (__u32)map_fd}};
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &target, .iter_info_len = sizeof(target));
	return bpf_link_create(program_fd, 0, BPF_TRACE_ITER, &options);
}

static inline int clibbpf_link_replace(int link_fd, int program_fd)
{
	LIBBPF_OPTS(bpf_link_update_opts, options);
	return bpf_link_update(link_fd, program_fd, &options);
}

/* The ids of the programs at a hook of a cgroup or an interface, in the order in which they run. `count` is how many
 * fit, then how many there are; -ENOSPC when these are more. */
static inline int clibbpf_program_query(int target, __u32 attach_type, __u32 query_flags, __u32 *ids, __u32 *count)
{
	LIBBPF_OPTS(bpf_prog_query_opts, options, .query_flags = query_flags, .prog_ids = ids, .prog_cnt = *count);
	int failure = bpf_prog_query_opts(target, (enum bpf_attach_type)attach_type, &options);
	*count = options.prog_cnt;
	return failure;
}

static inline int clibbpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
					   __u64 element_flags)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = element_flags);
	return bpf_map_update_batch(fd, keys, values, count, &options);
}

static inline int clibbpf_map_delete_batch(int fd, const void *keys, __u32 *count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	return bpf_map_delete_batch(fd, keys, count, &options);
}

static inline int clibbpf_map_lookup_batch(int fd, void *in_batch, void *out_batch, void *keys,
					   void *values, __u32 *count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	return bpf_map_lookup_batch(fd, in_batch, out_batch, keys, values, count, &options);
}

/* A SEC("syscall") program: results come back in the argument itself. */
static inline int clibbpf_run_syscall(int program_fd, void *argument, __u32 size, __u32 *result)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = argument, .ctx_size_in = size);
	int failure = bpf_prog_test_run_opts(program_fd, &options);
	*result = options.retval;
	return failure;
}

static inline int clibbpf_run_packet(int program_fd, void *packet, __u32 size, __u32 *result)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = size, .data_out = packet,
		    .data_size_out = size, .repeat = 1);
	int failure = bpf_prog_test_run_opts(program_fd, &options);
	*result = options.retval;
	return failure;
}

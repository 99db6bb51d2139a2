/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The one list of reasons: why a connection was refused, cut, or let through by exception.
 * The same names stand in the kernel's events, the proxy's records, the logs, the metrics'
 * `reason` label, the command line and docs/reference/reasons.md (generated from here).
 *
 * Numbers are never reused. A retired reason stays as a comment. 0 means that nothing was wrong.
 * X(number, SYMBOL, "name", errno that the application gets or 0, "what happened; what to do")
 */
#pragma once

#define MALLA_REASONS(X)                                                                           \
	X(0, PASSED, "passed", 0, "Nothing was wrong.")                                            \
	X(1, POLICY_DENIED, "policy_denied", 1,                                                    \
	  "A DENY rule matched. `malla explain` names the rule.")                                  \
	X(2, POLICY_NOT_ALLOWED, "policy_not_allowed", 1,                                          \
	  "ALLOW policies select the destination and none of their rules matched. Add a rule.")    \
	X(3, MESH_DEFAULT_DENIED, "mesh_default_denied", 1,                                        \
	  "No policy selects the destination and MeshConfig's defaultPolicy is deny.")             \
	X(4, POLICY_MISSING, "policy_missing", 1,                                                  \
	  "The kernel has no policy entry for the destination, so it is denied. See `malla check`.") \
	X(5, NO_ENDPOINT, "no_endpoint", 111,                                                      \
	  "The service has no ready endpoint. Start a workload that its selector matches.")        \
	X(6, NO_SUCH_PORT, "no_such_port", 111,                                                    \
	  "The service's virtual address has no such port. See `malla services`.")                 \
	X(7, NO_ENDPOINT_FAMILY, "no_endpoint_family", 101,                                        \
	  "The picked endpoint has no address that this socket's family can reach.")               \
	X(8, PROXY_DOWN, "proxy_down", 111,                                                        \
	  "The service needs the node proxy, it is not listening, and the fail mode is closed.")   \
	X(9, PROXY_DOWN_OPEN, "proxy_down_open", 0,                                                \
	  "The node proxy is not listening; let through directly because the fail mode is open.")  \
	X(10, UNKNOWN_WORKLOAD, "unknown_workload", 1,                                             \
	  "The process is inside the mesh's cgroup but is no enrolled workload. Use `malla run`.") \
	X(11, AMBIGUOUS_ENDPOINT, "ambiguous_endpoint", 1,                                         \
	  "Several workloads claim this port and the address does not tell which one is meant.")   \
	X(12, KERNEL_STATE, "kernel_state", 12,                                                    \
	  "The kernel could not keep the connection's record (memory or a full map); refused.")    \
	X(13, NOT_READY, "not_ready", 1,                                                           \
	  "The programs are attached and no snapshot has been applied yet; refused until then.")   \
	X(14, RESERVED_PORT, "reserved_port", 1,                                                   \
	  "A workload tried to reach or take a port that belongs to the node proxy.")              \
	X(15, SPOOFED_SOURCE, "spoofed_source", 0,                                                 \
	  "A packet of a network namespace had a source address that is not its workload's; dropped.") \
	X(16, UNREADABLE_PACKET, "unreadable_packet", 0,                                           \
	  "A fragmented TCP packet, or one with headers that cannot be followed; dropped.")        \
	X(17, REVOKED, "revoked", 0,                                                               \
	  "The policy in force no longer allows the open connection; cut. `malla explain` names the rule.") \
	X(18, IDENTITY_CHANGED, "identity_changed", 0,                                             \
	  "The open connection's source is no longer the workload that made it; cut.")             \
	X(19, ENDPOINT_CHANGED, "endpoint_changed", 0,                                             \
	  "The address that the open connection goes to now belongs to another workload; cut.")    \
	X(20, SOCKET_KIND, "socket_kind", 1,                                                       \
	  "A workload may open TCP, UDP and ping sockets; raw ones and other protocols go past policy.") \
	X(32, CONNECT_REFUSED, "connect_refused", 111, "The endpoint refused the connection.")     \
	X(33, CONNECT_TIMEOUT, "connect_timeout", 110,                                             \
	  "No endpoint answered within the connect timeout.")                                      \
	X(34, CONNECT_UNREACHABLE, "connect_unreachable", 113, "The endpoint cannot be reached.")  \
	X(35, IDLE_TIMEOUT, "idle_timeout", 0, "No byte in either direction for the idle timeout.") \
	X(36, NOT_CAPTURED, "not_captured", 0,                                                     \
	  "A connection to the proxy's port that the kernel did not capture; reset.")              \
	X(37, DRAINED, "drained", 0, "The proxy was draining and its grace time ended.")           \
	X(38, CLIENT_RESET, "client_reset", 0, "The client reset the connection.")                 \
	X(39, UPSTREAM_RESET, "upstream_reset", 0, "The endpoint reset the connection.")           \
	X(40, CONNECTION_LIMIT, "connection_limit", 0, "A connection limit was reached.")          \
	X(41, NO_SNAPSHOT, "no_snapshot", 0, "The proxy has no snapshot yet; refused until then.") \
	X(42, OUT_OF_DESCRIPTORS, "out_of_descriptors", 0,                                         \
	  "The proxy has no file descriptor left. Raise LimitNOFILE.")                             \
	X(43, UNKNOWN_SERVICE, "unknown_service", 0,                                               \
	  "The captured connection names a service that the proxy's snapshot does not have.")

enum malla_reason {
#define MALLA_REASON_CASE(number, symbol, name, error, help) MALLA_REASON_##symbol = number,
	MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
};

/* One past the highest number in use: the bound for tables and range checks. */
#define MALLA_REASON_END 44

/* The errno (positive) that an application gets for a refusal at connect; 0: none is given. */
static inline int malla_reason_errno(__u32 reason)
{
	switch (reason) {
#define MALLA_REASON_CASE(number, symbol, name, error, help)                                       \
	case number:                                                                               \
		return error;
		MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
	default:
		return 1;
	}
}

#ifndef __bpf__
/* The stable name; NULL for a number that is not in use. */
static inline const char *malla_reason_name(__u32 reason)
{
	switch (reason) {
#define MALLA_REASON_CASE(number, symbol, name, error, help)                                       \
	case number:                                                                               \
		return name;
		MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
	default:
		return 0;
	}
}

/* What happened and what to do about it; NULL for a number that is not in use. */
static inline const char *malla_reason_help(__u32 reason)
{
	switch (reason) {
#define MALLA_REASON_CASE(number, symbol, name, error, help)                                       \
	case number:                                                                               \
		return help;
		MALLA_REASONS(MALLA_REASON_CASE)
#undef MALLA_REASON_CASE
	default:
		return 0;
	}
}
#endif

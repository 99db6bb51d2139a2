// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// The hook that a program is made for, as the kernel numbers them (`enum bpf_attach_type`).
public struct AttachType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The kernel's number.
    public let rawValue: UInt32

    /// Any of the kernel's numbers.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `cgroup/connect4`; kernel 4.17.
    public static let connect4 = AttachType(rawValue: BPF_CGROUP_INET4_CONNECT.rawValue)
    /// `cgroup/connect6`; kernel 4.17.
    public static let connect6 = AttachType(rawValue: BPF_CGROUP_INET6_CONNECT.rawValue)
    /// `cgroup/bind4`; kernel 4.17.
    public static let bind4 = AttachType(rawValue: BPF_CGROUP_INET4_BIND.rawValue)
    /// `cgroup/bind6`; kernel 4.17.
    public static let bind6 = AttachType(rawValue: BPF_CGROUP_INET6_BIND.rawValue)
    /// `cgroup/sendmsg4`; kernel 4.18.
    public static let sendmsg4 = AttachType(rawValue: BPF_CGROUP_UDP4_SENDMSG.rawValue)
    /// `cgroup/sendmsg6`; kernel 4.18.
    public static let sendmsg6 = AttachType(rawValue: BPF_CGROUP_UDP6_SENDMSG.rawValue)
    /// `cgroup/recvmsg4`; kernel 5.2.
    public static let recvmsg4 = AttachType(rawValue: BPF_CGROUP_UDP4_RECVMSG.rawValue)
    /// `cgroup/recvmsg6`; kernel 5.2.
    public static let recvmsg6 = AttachType(rawValue: BPF_CGROUP_UDP6_RECVMSG.rawValue)
    /// `cgroup/getpeername4`; kernel 5.8.
    public static let getpeername4 = AttachType(rawValue: BPF_CGROUP_INET4_GETPEERNAME.rawValue)
    /// `cgroup/getpeername6`; kernel 5.8.
    public static let getpeername6 = AttachType(rawValue: BPF_CGROUP_INET6_GETPEERNAME.rawValue)
    /// `cgroup/sock_create`; kernel 4.10.
    public static let socketCreate = AttachType(rawValue: BPF_CGROUP_INET_SOCK_CREATE.rawValue)
    /// `sockops`; kernel 4.13, links since 5.7.
    public static let sockOps = AttachType(rawValue: BPF_CGROUP_SOCK_OPS.rawValue)
    /// `tcx/ingress`; kernel 6.6.
    public static let tcxIngress = AttachType(rawValue: CLIBBPF_TCX_INGRESS.rawValue)
    /// `tcx/egress`; kernel 6.6.
    public static let tcxEgress = AttachType(rawValue: CLIBBPF_TCX_EGRESS.rawValue)
    /// `sk_lookup`; kernel 5.9.
    public static let socketLookup = AttachType(rawValue: BPF_SK_LOOKUP.rawValue)
    /// `tp_btf/…`: a point that the kernel marks in its own code; kernel 5.5.
    public static let tracepoint = AttachType(rawValue: BPF_TRACE_RAW_TP.rawValue)
    /// `sk_msg`, attached to a map of sockets; kernel 4.17.
    public static let message = AttachType(rawValue: BPF_SK_MSG_VERDICT.rawValue)
    /// `iter/…`; kernel 5.8.
    public static let iterator = AttachType(rawValue: BPF_TRACE_ITER.rawValue)

    /// libbpf's name of the hook, such as `cgroup_inet4_connect`; the number when libbpf does not know it.
    public var description: String {
        // Newer than libbpf's list.
        if self == .tcxIngress { return "tcx_ingress" }
        if self == .tcxEgress { return "tcx_egress" }
        return libbpf_bpf_attach_type_str(bpf_attach_type(rawValue)).map { String(cString: $0) }
            ?? "attach type \(rawValue)"
    }
}

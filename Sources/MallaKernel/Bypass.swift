// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
public import MallaModel

/// A workload's descriptor of a socket that goes past the hooks.
public struct Bypass: Sendable, Hashable {
    /// How it goes past them.
    public enum Kind: UInt32, Sendable {
        /// Its family is one that no hook sees.
        case family = 1
        /// It is raw, or of another protocol than TCP and UDP.
        case `protocol` = 2
        /// It was made elsewhere, and inherited or passed on.
        case foreign = 3
        /// It was connected before its workload had hooks. Told once: from then on it is a connection like others.
        case early = 4

        /// `family`, `protocol`, `foreign`, `early`.
        public var name: String {
            switch self {
            case .family: "family"
            case .protocol: "protocol"
            case .foreign: "foreign"
            case .early: "early"
            }
        }
    }

    /// How; nil for a way that this version does not know.
    public let kind: Kind?
    /// Names the socket.
    public let cookie: UInt64
    /// Who holds it: a process, and its main thread's name.
    public let pid: UInt32, command: String
    /// The process's number of it.
    public let descriptor: UInt32
    /// The numbers of the process's workload and its identity.
    public let workload: UInt32, identity: UInt32
    /// AF_…, SOCK_…, IPPROTO_…, by the kernel's numbers.
    public let family: UInt16, type: UInt16, `protocol`: UInt16
    /// Its addresses; all zero when it has none of IPv4 or IPv6.
    public let local: SocketAddress, remote: SocketAddress

    init(_ abi: malla_bypass) {
        kind = Kind(rawValue: abi.kind)
        cookie = abi.cookie
        pid = abi.pid
        command = withUnsafeBytes(of: abi.command) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        descriptor = abi.descriptor
        workload = abi.workload
        identity = abi.identity
        family = abi.family
        type = abi.type
        self.protocol = abi.protocol
        local = SocketAddress(Address(abi.local), abi.local_port)
        remote = SocketAddress(Address(abi.remote), abi.remote_port)
    }

    /// What the socket is, such as `tcp`, `raw 1`, `packet`.
    public var socketName: String {
        switch (family, type, self.protocol) {
        case (2, 1, 6), (10, 1, 6): "tcp"
        case (2, 2, 17), (10, 2, 17): "udp"
        case (2, 3, _), (10, 3, _): "raw \(self.protocol)"
        case (2, _, _), (10, _, _): "protocol \(self.protocol)"
        case (17, _, _): "packet"
        case (40, _, _): "vsock"
        case (44, _, _): "xdp"
        default: "family \(family)"
        }
    }
}

extension KernelNode {
    /// What a look for bypasses found and did.
    public struct BypassReport: Sendable, Equatable {
        /// All that there are, one for each descriptor.
        public var bypasses: [Bypass]
        /// Connections over foreign sockets that policy does not allow: they were cut.
        public var cuts: [Cut]
    }

    /// Goes over the descriptors of all processes that this one may see, and judges connected sockets from elsewhere
    /// as their holder's. Takes microseconds for each process.
    ///
    /// - Returns: nothing on a kernel that refuses the program.
    public func findBypasses() throws -> BypassReport {
        guard let finder else { return BypassReport(bypasses: [], cuts: []) }
        let found = try finder.program.iterate(as: malla_bypass.self).map(Bypass.init)
        let areJudged = found.contains { $0.kind == .foreign || $0.kind == .early }
        return BypassReport(bypasses: found, cuts: areJudged ? try revoke() : [])
    }
}

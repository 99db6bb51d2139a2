// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Synchronization
import Testing

/// Two nodes: a proxy with a client of `frontend`, and one with endpoints of `backend`, which the first reaches by tunnels
/// alone. Between them stands somebody who sees all that they send.
final class TunnelLab {
    /// The second node's address; one of this machine's, and not loopback, to which tunnels never lead.
    static let address = Address(ipv4: 0xc633_640a)  // 198.51.100.10
    private static let isThere: Void = {
        _ = try? Tool.run("ip address replace 198.51.100.10/32 dev lo")
    }()

    let near: ProxyLab
    let far: ProxyLab
    let tap: Tap

    /// - Parameter source: who the far node lets in; 0: everybody.
    init(workers: Int = 1, buffers: Int = 64 << 20, hasCredentials: Bool = true) throws {
        _ = Self.isThere
        far = try ProxyLab(workers: workers, buffers: buffers, tunnels: [SocketAddress(.loopback4, 0)])
        near = try ProxyLab(workers: workers, buffers: buffers)
        tap = try Tap(to: far.proxy.tunnels[0].port)
        guard hasCredentials else { return }
        for (lab, identity) in [(near, Identities.frontend), (far, Identities.backend)] {
            try lab.proxy.use(try Identities.roots())
            try lab.proxy.use(try Identities.credential(identity))
        }
    }

    /// Puts endpoints on these ports of the far node into force on both.
    func apply(
        _ ports: [UInt16], application: String? = "tcp", connectTimeout: Nanoseconds = 5_000_000_000,
        near change: (inout Snapshot) -> Void = { _ in }, far farChange: (inout Snapshot) -> Void = { _ in }
    ) throws {
        try far.apply(ports) {
            Self.place(&$0, node: 0)
            farChange(&$0)
        }
        try near.apply(ports, connectTimeout: connectTimeout) {
            Self.place(&$0, node: 2)
            $0.nodes = [Snapshot.Node(number: 2, name: "far", tunnel: SocketAddress(.loopback4, tap.port))]
            $0.services[0].ports[0].appProtocol = application
            // Nothing is allowed here: the endpoint's node decides.
            $0.policies = PolicyTable()
            change(&$0)
        }
    }

    private static func place(_ snapshot: inout Snapshot, node: UInt32) {
        snapshot.trustDomain = "malla.test"
        snapshot.identities = [ProxyLab.client: Identities.frontend, ProxyLab.backend: Identities.backend]
        for index in snapshot.endpoints.indices {
            snapshot.endpoints[index].address.address = address
            snapshot.endpoints[index].node = node
        }
    }

    /// A connection of the client's, and its other end at the endpoint.
    func pair(_ listener: TCP) throws -> (TCP, TCP) {
        let client = try TCP.connect(port: near.proxy.port)
        return (client, try listener.accept())
    }
}

/// Passes on what comes, and keeps a copy of it.
final class Tap: Sendable {
    private struct State {
        var seen: [UInt8] = []
        var connections = 0
        var sockets: [TCP] = []
    }

    let port: UInt16
    private let listener: TCP
    private let state = Mutex(State())
    /// Bytes that are kept.
    private static let most = 32 << 20

    init(to target: UInt16) throws {
        listener = try TCP.listen()
        port = listener.port
        _ = Background { [listener, weak self] in
            while let accepted = try? listener.accept() {
                guard let self, let onwards = try? TCP.connect(port: target) else { return }
                self.state.withLock {
                    $0.connections += 1
                    $0.sockets += [accepted, onwards]
                }
                for (from, to) in [(accepted, onwards), (onwards, accepted)] {
                    var forever = timeval()
                    var isOn: Int32 = 1
                    setsockopt(to.number, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(4))
                    setsockopt(from.number, SOL_SOCKET, SO_RCVTIMEO, &forever, socklen_t(MemoryLayout<timeval>.size))
                    _ = Background { [weak self] in
                        while let bytes = try? from.receive(256 << 10), !bytes.isEmpty {
                            self?.keep(bytes)
                            try to.send(bytes)
                        }
                        to.endWriting()
                    }
                }
            }
        }
    }

    deinit { stop() }

    /// Ends it.
    func stop() {
        shutdown(listener.number, Int32(SHUT_RDWR))
        cut()
    }

    /// Cuts all that goes by.
    func cut() {
        state.withLock { state in
            for socket in state.sockets { shutdown(socket.number, Int32(SHUT_RDWR)) }
            state.sockets = []
        }
    }

    private func keep(_ bytes: [UInt8]) {
        state.withLock { if $0.seen.count < Self.most { $0.seen += bytes } }
    }

    /// Connections that were made.
    var connections: Int { state.withLock { $0.connections } }
    /// Bytes that went by, of both directions.
    var count: Int { state.withLock { $0.seen.count } }

    /// Whether a text has gone by.
    func saw(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        return state.withLock { state in
            state.seen.withUnsafeBytes { bytes in
                guard var at = bytes.baseAddress else { return false }
                let end = at + bytes.count
                while at + wanted.count <= end, let found = memchr(at, Int32(wanted[0]), end - at) {
                    if UnsafeRawPointer(found) + wanted.count <= end, memcmp(found, wanted, wanted.count) == 0 {
                        return true
                    }
                    at = UnsafeRawPointer(found) + 1
                }
                return false
            }
        }
    }
}

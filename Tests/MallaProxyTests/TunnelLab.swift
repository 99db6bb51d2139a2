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
    /// The second node's addresses; of the lab's namespace, and not loopback, to which tunnels never lead.
    static let address = Address(ipv4: 0xc633_640a)  // 198.51.100.10
    static let address6 = Address(high: 0x2001_0db8_0000_0000, low: 0x10)  // 2001:db8::10

    private let namespace: TestNamespace
    let near: ProxyLab
    let far: ProxyLab
    let tap: Tap

    /// - Parameter source: who the far node lets in; 0: everybody.
    init(
        workers: Int = 1, buffers: Int = 64 << 20, hasCredentials: Bool = true,
        tunnels: [SocketAddress] = [SocketAddress(.loopback4, 0)], times: Proxy.TunnelTimes = Proxy.TunnelTimes(),
        namespace: TestNamespace? = nil
    ) throws {
        self.namespace = try namespace ?? TestNamespace()
        far = try ProxyLab(workers: workers, buffers: buffers, tunnels: tunnels, tunnelTimes: times)
        near = try ProxyLab(workers: workers, buffers: buffers, tunnelTimes: times)
        tap = try Tap(to: far.proxy.tunnels[0].port)
        guard hasCredentials else { return }
        for (lab, identity) in [(near, Identities.frontend), (far, Identities.backend)] {
            try lab.use(try Identities.roots())
            try lab.use(try Identities.credential(identity))
        }
    }

    /// Puts endpoints on these ports of the far node into force on both.
    func apply(
        _ ports: [UInt16], ipv6: Bool = false, application: String? = "tcp",
        connectTimeout: Nanoseconds = 5_000_000_000,
        near change: (inout Snapshot) -> Void = { _ in }, far farChange: (inout Snapshot) -> Void = { _ in }
    ) throws {
        try far.apply(ports, ipv6: ipv6) {
            Self.place(&$0, node: 0, ipv6: ipv6)
            farChange(&$0)
        }
        try near.apply(ports, ipv6: ipv6, connectTimeout: connectTimeout) {
            Self.place(&$0, node: 2, ipv6: ipv6)
            $0.nodes = [Snapshot.Node(number: 2, name: "far", tunnel: SocketAddress(.loopback4, tap.port))]
            $0.services[0].ports[0].appProtocol = application
            // Nothing is allowed here: the endpoint's node decides.
            $0.policies = PolicyTable()
            change(&$0)
        }
    }

    private static func place(_ snapshot: inout Snapshot, node: UInt32, ipv6: Bool) {
        snapshot.trustDomain = "malla.test"
        snapshot.identities = [ProxyLab.client: Identities.frontend, ProxyLab.backend: Identities.backend]
        for index in snapshot.endpoints.indices {
            snapshot.endpoints[index].address.address = ipv6 ? address6 : address
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
        var ended = 0
        var isHeld = false
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
                        // However it ends: one side may be gone before the other's last words.
                        defer { self?.state.withLock { $0.ended += 1 } }
                        while let bytes = try? from.receive(256 << 10), !bytes.isEmpty {
                            self?.keep(bytes)
                            while self?.isHeld ?? false { usleep(2000) }
                            try to.send(bytes)
                        }
                        while self?.isHeld ?? false { usleep(2000) }
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
            state.isHeld = false
            for socket in state.sockets { shutdown(socket.number, Int32(SHUT_RDWR)) }
            state.sockets = []
        }
    }

    private func keep(_ bytes: [UInt8]) {
        state.withLock { if $0.seen.count < Self.most { $0.seen += bytes } }
    }

    /// Passes nothing on any more, and keeps all connections: the path is there, and silent.
    func hold() { state.withLock { $0.isHeld = true } }

    private var isHeld: Bool { state.withLock { $0.isHeld } }

    /// Directions of connections that have ended.
    var ended: Int { state.withLock { $0.ended } }
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

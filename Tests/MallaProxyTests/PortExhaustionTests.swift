// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

/// In a namespace of their own with 256 ports, which somebody uses up who connects to the same endpoint from the same
/// address as the proxy does.
@Suite("No source port is left", .serialized, .timeLimit(.minutes(15)))
struct PortExhaustionTests {
    private static func namespace() throws -> TestNamespace {
        try TestNamespace("echo 45000 45255 >/proc/sys/net/ipv4/ip_local_port_range")
    }

    /// Connects until no port is left. Those that are let go free their ports at once.
    private static func useUp(_ endpoint: SocketAddress) throws -> [TCP] {
        var taken: [TCP] = []
        while true {
            var isConnected: Int32 = 0
            let socket = linux_connect(endpoint.address.bytes, endpoint.port, &isConnected)
            guard socket >= 0 else {
                guard socket == -EADDRNOTAVAIL, taken.count > 200 else { throw TCP.Failure(code: -socket) }
                return taken
            }
            taken.append(TCP(socket))
            taken.last?.resetOnClose()
        }
    }

    private static func get(_ lab: ProxyLab) throws -> String {
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        return try HTTPTests.response(client)
    }

    @Test("a request is answered 503 with the reason, another endpoint is tried, and a free port is used at once")
    func http() throws {
        let namespace = try Self.namespace()
        let origins = try (0..<2).map { _ in try Origin() }
        let lab = try HTTPTests.lab([origins[0].port])
        var taken = try Self.useUp(SocketAddress(.loopback4, origins[0].port))
        for count in 1...3 as ClosedRange<UInt64> {
            let answer = try Self.get(lab)
            #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("x-malla-reason: no_source_port"), "\(answer)")
            #expect(try lab.counted(.noSourcePort).cut == count)
        }
        #expect(try lab.counted(.connectUnreachable).cut == 0)

        // Connections have the same reason, and are reset.
        try lab.apply([origins[0].port])
        let client = try TCP.connect(port: lab.proxy.port)
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(try lab.counted(.noSourcePort).refused == 1)

        // Each endpoint has all ports to itself.
        try lab.apply(origins.map(\.port)) { $0.services[0].ports[0].appProtocol = "http" }
        for _ in 0..<10 { #expect(try Self.get(lab).hasPrefix("HTTP/1.1 200 ")) }
        #expect(origins[1].requests == 10)

        try lab.apply([origins[0].port]) { $0.services[0].ports[0].appProtocol = "http" }
        taken.removeLast()
        #expect(try Self.get(lab).hasPrefix("HTTP/1.1 200 "))
        taken = []
        for _ in 0..<10 { #expect(try Self.get(lab).hasPrefix("HTTP/1.1 200 ")) }
        #expect(origins[0].requests == 11)
        origins.forEach { $0.stop() }
        withExtendedLifetime(namespace) {}
    }

    @Test("at the endpoint's node: the caller is told that it cannot be reached, its node counts why")
    func tunnel() throws {
        let namespace = try Self.namespace()
        let lab = try TunnelLab(namespace: namespace)
        // Each request needs a connection of its own.
        let origin = try Origin(anywhere: true) { _, _ in Origin.ok("hello", "Connection: close\r\n") }
        try lab.apply([origin.port], application: "http")
        #expect(try Self.get(lab.near).hasPrefix("HTTP/1.1 200 "))
        var taken = try Self.useUp(SocketAddress(TunnelLab.address, origin.port))
        for count in 1...3 as ClosedRange<UInt64> {
            let answer = try Self.get(lab.near)
            #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("x-malla-reason: remote_unavailable"))
            #expect(try lab.far.counted(.noSourcePort).refused == count)
        }
        #expect(try lab.far.counted(.connectUnreachable).refused == 0)
        taken = []
        #expect(try Self.get(lab.near).hasPrefix("HTTP/1.1 200 "))
        origin.stop()
        withExtendedLifetime((namespace, taken)) {}
    }

    @Test("no address to connect from is no want of ports")
    func noAddress() throws {
        let namespace = try TestNamespace("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
        var isConnected: Int32 = 0
        #expect(linux_connect(Address.loopback6.bytes, 1, &isConnected) == -ENETUNREACH)
        withExtendedLifetime(namespace) {}
    }
}

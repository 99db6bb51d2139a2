// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaKernel
import MallaModel
import Testing

@Suite("The daemon's own checks", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct PermitTests {
    @Test("a connection of the daemon's comes in with a permit, and only with one")
    func permit() throws {
        let mesh = try TestMesh("permit")
        let node = try KernelNode(mesh.settings)
        let server = try EchoListener()
        var snapshot = Snapshot.small(generation: 1, endpointPort: server.port, rule: 13, denied: true)
        snapshot.addressEntries.append(
            .init(address: SocketAddress(.unspecified, server.port), endpoint: 1))
        try node.apply(snapshot)
        let destination = SocketAddress(Address(ipv4: 0x7f00_0001), server.port)

        #expect(try connect(to: destination) { _ in } == ECONNREFUSED, "nobody is let in")
        #expect(try connect(to: destination) { try node.permit(from: $0, to: destination) } == 0)
        let late = try connect(to: destination) {
            try node.permit(from: $0, to: destination)
            try #require(try node.withdraw(from: $0, to: destination))
        }
        #expect(late == ECONNREFUSED, "it was taken back")
        let other = SocketAddress(Address(ipv4: 0x7f00_0001), 1)
        #expect(
            try connect(to: destination) { _ in try node.permit(from: other, to: destination) } == ECONNREFUSED,
            "it is somebody else's")
        #expect(try node.reader.counters().contains { $0.reason.name == "inbound_refused" && $0.denied == 3 })
    }

    @Test("processes of a probe's cgroup come in whatever policy says, while it is one, over snapshots too")
    func probe() throws {
        let mesh = try TestMesh("probe")
        let node = try KernelNode(mesh.settings)
        let server = try EchoListener()
        let probe = try mesh.makeCgroup("w1")
        func apply(_ generation: UInt32) throws {
            var snapshot = Snapshot.small(
                generation: generation, endpointPort: server.port, rule: 13, denied: true)
            snapshot.addressEntries.append(.init(address: SocketAddress(.unspecified, server.port), endpoint: 1))
            try node.apply(snapshot)
        }
        func connect() throws -> Int32 {
            try mesh.python(
                in: "w1",
                """
                import socket, sys
                sys.exit(socket.socket().connect_ex(("127.0.0.1", \(server.port))))
                """)
        }
        try apply(1)
        #expect(try connect() == EPERM, "nobody knows it")
        try node.admit(probes: [probe])
        #expect(try connect() == 0)
        try apply(2)
        #expect(try connect() == 0, "a snapshot leaves probes alone")
        try node.admit(probes: [])
        #expect(try connect() == EPERM, "it is one no more")
    }

    /// The errno of a connect from a socket whose own address `prepare` is told; 0: it went well.
    private func connect(to destination: SocketAddress, prepare: (SocketAddress) throws -> Void) throws -> Int32 {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(made) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                try #require(bind(made, name, size) == 0 && getsockname(made, name, &size) == 0)
            }
            try prepare(
                SocketAddress(Address(ipv4: 0x7f00_0001), UInt16(bigEndian: pointer.pointee.sin_port)))
            pointer.pointee.sin_port = destination.port.bigEndian
            return pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                Glibc.connect(made, name, size) == 0 ? 0 : errno
            }
        }
    }
}

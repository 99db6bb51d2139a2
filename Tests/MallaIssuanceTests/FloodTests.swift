// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MallaIdentity
import MallaIssuance
import MallaModel
import Testing

extension NetworkTests {
    @Test("Connections that say nothing are bounded in number and in time, and the authority answers after them")
    func silence() async throws {
        let mesh = try await Mesh(runs: ["two": [backend]])
        let silent = try (0..<300).map { _ in try Self.connect(mesh.port) }
        defer { for descriptor in silent { close(descriptor) } }
        // Those above the bound at once, the others once their time for a handshake is over.
        var open = Set(silent)
        for _ in 0..<1200 where !open.isEmpty {
            open = open.filter { !Self.hasEnded($0) }
            if !open.isEmpty { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(open.isEmpty, "\(open.count) are still open")
        let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
        let node = try await mesh.node("two", token: token)
        _ = try await node.certificate(for: .workload(backend), key: IdentityKey(), lifetime: 600)
    }

    private static func connect(_ port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(descriptor >= 0 && result == 0, "errno \(errno)")
        return descriptor
    }

    private static func hasEnded(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN
    }
}

// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Reactor
import Testing

@Suite("Ports that connects come from", .timeLimit(.minutes(15)))
struct SourcePortTests {
    /// The kernel by itself keeps to every second port as long as one of them is free.
    @Test("every port of the node's range serves, and each connect looks at few of them")
    func ports() throws {
        let listener = try Listener(address: loopback, port: 0, shared: false)
        #expect(listener.start() == 0)
        var ports: [UInt16] = []
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        for _ in 0..<128 {
            var connected: Int32 = 0
            let socket = linux_connect(loopbackBytes, listener.port, &connected)
            try #require(socket >= 0)
            sockets.append(socket)
            ports.append(UInt16(clamping: linux_local_port(socket)))
        }
        #expect(Set(ports).count == 128)
        #expect(ports.contains { $0 % 2 == 0 } && ports.contains { $0 % 2 == 1 })
        let range = try Self.range()
        #expect(ports.allSatisfy { range.contains($0) })
        // Windows of 64, one after the other: neighbours are far from one another only where the range begins again.
        let jumps = zip(ports, ports.dropFirst()).count { abs(Int($0) - Int($1)) > 127 }
        #expect(jumps <= 1)
    }

    private var loopbackBytes: [UInt8] { [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1] }
    private var loopback: InlineArray<16, UInt8> { InlineArray { loopbackBytes[$0] } }

    private static func range() throws -> ClosedRange<UInt16> {
        let file = try #require(fopen("/proc/sys/net/ipv4/ip_local_port_range", "r"))
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 64)
        let count = fread(&text, 1, text.count, file)
        let numbers = String(decoding: text[..<count], as: UTF8.self).split { " \t\n".contains($0) }.compactMap {
            UInt16($0)
        }
        try #require(numbers.count == 2)
        return numbers[0]...numbers[1]
    }
}

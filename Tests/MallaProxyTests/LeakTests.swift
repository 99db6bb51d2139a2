// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import Testing

@Suite("Nothing is left behind", .timeLimit(.minutes(15)))
struct LeakTests {
    /// How a side of a connection ends.
    private enum Manner: CaseIterable {
        case endThenClose, closeAtOnce, reset, resetWithoutReading
    }

    @Test("after a thousand connections that end in every manner: no descriptor, no active connection")
    func everyEnd() throws {
        let listener = try TCP.listen(backlog: 200)
        let process = try ProxyProcess(workers: 2)
        let daemon = try DaemonEnd(process.link)
        try daemon.establish(process, endpoint: listener.port, generation: 1)
        let port = try process.port()
        let before = try descriptors(process.pid)
        let bytes = Pattern(seed: 9).portion(0, 100_000)
        let all = Manner.allCases
        for round in 0..<1000 {
            let client = try TCP.connect(port: port)
            let server = try listener.accept()
            // Sizes from nothing to more than any buffer on the way takes while nobody reads.
            let size = [0, 1, 1_000, 100_000][round % 4]
            let up = Background { try? client.send(Array(bytes[..<size])) }
            let down = Background { try? server.send(Array(bytes[..<size])) }
            _ = try up.result()
            _ = try down.result()
            let clientEnds = Background { end(client, all[round / 4 % 4]) }
            let serverEnds = Background { end(server, all[round / 16 % 4]) }
            _ = try clientEnds.result()
            _ = try serverEnds.result()
        }
        for _ in 0..<2000 where try active(process) > 0 { usleep(5000) }
        #expect(try active(process) == 0)
        // Pipes and the like may be kept for reuse.
        #expect(try descriptors(process.pid) <= before + 8)
        // A client that was reset at once may be gone before its connection was made.
        let counted = try CounterReading.read(path: process.counters).reduce(0) { $0 + $1.opened + $1.refused }
        #expect(counted == 1000)
    }

    private func end(_ socket: TCP, _ manner: Manner) {
        switch manner {
        case .endThenClose:
            socket.endWriting()
            while let more = try? socket.receive(), !more.isEmpty {}
        case .closeAtOnce:
            shutdown(socket.number, Int32(SHUT_RDWR))
        case .reset:
            // Some of what has come; waiting for it could be for ever, since the other side may do the same.
            var bytes = [UInt8](repeating: 0, count: 1000)
            _ = recv(socket.number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            socket.disconnect()
        case .resetWithoutReading:
            socket.disconnect()
        }
    }

    private func active(_ process: ProxyProcess) throws -> UInt64 {
        try CounterReading.read(path: process.counters).reduce(0) { $0 + $1.active }
    }

    private func descriptors(_ pid: Int32) throws -> Int {
        let folder = try #require(opendir("/proc/\(pid)/fd"))
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return count
    }
}

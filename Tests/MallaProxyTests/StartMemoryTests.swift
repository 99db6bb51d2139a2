// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import Testing

@Suite("Memory of malla-proxy after its start", .timeLimit(.minutes(15)))
struct StartMemoryTests {
    /// Pages in memory, in kB.
    private struct Pages {
        /// Of files, in mappings that cannot be written to.
        var files = 0
        /// Of the counters, which are shared with the daemon.
        var counters = 0
        /// Nobody else's, in mappings that cannot be written to: relocated data.
        var relocated = 0

        init(_ pid: Int32) throws {
            let file = try #require(fopen("/proc/\(pid)/smaps", "r"))
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 4096)
            var isFixed = false
            var isShared = false
            while fgets(&line, Int32(line.count), file) != nil {
                let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                let words = text.split { " \n".contains($0) }
                guard words.count >= 2 else { continue }
                if words[1].count == 4, words[0].contains("-") {
                    isFixed = !words[1].contains("w") && words.count > 5 && words[5].hasPrefix("/")
                    isShared = words[1].hasSuffix("s") && words[1].contains("w")
                }
                guard let amount = Int(words[1]) else { continue }
                if words[0] == "Rss:", isFixed { files += amount }
                if words[0] == "Rss:", isShared { counters += amount }
                if words[0] == "Anonymous:", isFixed { relocated += amount }
            }
        }
    }

    @Test("pages that only the start has used are given back, what the program has changed stays, and it serves")
    func givenBack() throws {
        let listener = try TCP.listen()
        let process = try ProxyProcess(workers: 2)
        do {
            let early = try DaemonEnd(process.link)
            #expect(try early.receive() != nil)
        }
        let before = try Pages(process.pid)
        // Tables of two workers with 4,096 cells each are 2.5 MB, of which nothing is in use.
        #expect(before.counters < 512, "\(before)")
        let daemon = try DaemonEnd(process.link)
        try daemon.establish(process, endpoint: listener.port, generation: 1)
        var after = try Pages(process.pid)
        for _ in 0..<2000 where after.files - after.relocated > (before.files - before.relocated) / 2 {
            usleep(5000)
            after = try Pages(process.pid)
        }
        print("pages of files before and after: \(before), \(after)")
        #expect(after.files - after.relocated <= (before.files - before.relocated) / 2)
        #expect(after.relocated >= before.relocated && before.relocated > 0)
        let port = try process.port()
        for _ in 0..<20 {
            let client = try TCP.connect(port: port)
            let server = try listener.accept()
            try client.send("ping")
            #expect(try server.receiveText(4) == "ping")
            try server.send("pong")
            #expect(try client.receiveText(4) == "pong")
        }
        withExtendedLifetime(daemon) {}
    }
}

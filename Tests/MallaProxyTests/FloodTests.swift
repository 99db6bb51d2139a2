// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaLink
import MallaModel
import Synchronization
import Testing

@testable import HTTPVectors

/// Floods and stalls against the program itself, whose memory can be read. Somebody else asks all the time meanwhile, and
/// must be answered each time.
@Suite("B2 to B9: HTTP/2 floods and stalls against the program", .timeLimit(.minutes(15)))
struct FloodTests {
    /// A bystander was harmed.
    struct Unserved: Error {
        let answer: String
    }

    /// Asks all the time, and must be answered each time.
    final class Bystander: Sendable {
        private let served = Mutex(0)
        private let isOver = Mutex(false)
        private let thread = Mutex<Background<Void>?>(nil)

        init(port: UInt16) {
            let started = Background { [self] in
                let client = try TCP.connect(port: port)
                repeat {
                    try client.send("GET /bystander HTTP/1.1\r\nHost: b\r\n\r\n")
                    let answer = try HTTPTests.response(client)
                    guard answer.hasPrefix("HTTP/1.1 200 ") else { throw Unserved(answer: answer) }
                    served.withLock { $0 += 1 }
                    usleep(2000)
                } while !isOver.withLock { $0 }
            }
            thread.withLock { $0 = started }
        }

        /// Ends it; how often it was served.
        func end() throws -> Int {
            isOver.withLock { $0 = true }
            try thread.withLock { $0 }?.result()
            return served.withLock { $0 }
        }
    }

    /// The program in front of an origin, and its bystander.
    private final class Target {
        let origin: Origin
        let process: ProxyProcess
        let port: UInt16
        private let daemon: DaemonEnd
        private let bystander: Bystander

        init(
            idle: Nanoseconds = 0, options: [String] = [],
            _ answer: @escaping Origin.Answer = { _, _ in Origin.ok("hello") }
        ) throws {
            origin = try Origin(answer)
            process = try ProxyProcess(options: options)
            daemon = try DaemonEnd(process.link)
            try daemon.establish(process, endpoint: origin.port, generation: 1, application: "http", idle: idle)
            port = try process.port()
            bystander = Bystander(port: port)
        }

        /// Ends the bystander, who must have been served all the time.
        func end() throws {
            #expect(try bystander.end() > 0)
            origin.stop()
        }

        /// Requests that reached the origin beside the bystander's.
        var requests: Int {
            origin.received.reduce(0) { sum, bytes in
                sum + String(decoding: bytes, as: UTF8.self).components(of: "GET / HTTP/1.1\r\n").count - 1
            }
        }

        /// Memory of the program's own, without pages of files, in bytes.
        func resident() throws -> Int {
            let file = try #require(fopen("/proc/\(process.pid)/statm", "r"))
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 256)
            try #require(fgets(&line, 256, file) != nil)
            let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                .split(separator: " ")
            return ((Int(words[1]) ?? 0) - (Int(words[2]) ?? 0)) * 4096
        }

        /// Clients that have connected, the bystander among them.
        func connected() throws -> UInt64 {
            try CounterReading.read(path: process.counters).reduce(0) {
                $0 + ($1.key.kind == .connections && $1.key.target == 0 ? $1.opened : 0)
            }
        }

        /// Sends `before` and then `burst(0)`, `burst(1)` … until the connection is given up.
        ///
        /// - Returns: bursts that were taken, and the error code of GOAWAY.
        func flood(
            _ before: [UInt8] = [], most: Int = 100_000, reads: Bool = true, _ burst: (Int) -> [UInt8]
        ) throws -> (bursts: Int, code: UInt32?) {
            let client = try RawH2(port: port)
            let end = FloodEnd()
            let socket = client.socket
            let reader = Background {
                guard reads else { return }
                let peer = RawH2(socket)
                peer.acknowledges = false
                while let frame = try? peer.next() {
                    if frame.type == RawH2.goAway {
                        end.note(RawH2.number(frame.payload.dropFirst(4)))
                    }
                }
                end.note(nil)
            }
            try client.send(before)
            var index = 0
            while index < most, !end.isOver {
                do { try client.send((index..<index + 20).flatMap(burst)) } catch { break }
                index += 20
            }
            client.socket.endWriting()
            try reader.result()
            // What was said meanwhile is read now.
            client.acknowledges = false
            while !reads, let frame = try? client.next() {
                if frame.type == RawH2.goAway { end.note(RawH2.number(frame.payload.dropFirst(4))) }
            }
            return (index, end.code)
        }
    }

    /// What a flood's reader has seen of its end.
    private final class FloodEnd: Sendable {
        private let state = Mutex<(isOver: Bool, code: UInt32?)>((false, nil))

        var isOver: Bool { state.withLock { $0.isOver } }
        var code: UInt32? { state.withLock { $0.code } }

        func note(_ code: UInt32?) { state.withLock { $0 = (true, code ?? $0.code) } }
    }

    private static func id(_ index: Int) -> UInt32 { UInt32(index * 2 + 1) }

    /// ENHANCE_YOUR_CALM.
    private static let calm: UInt32 = 11

    @Test("B1, B2: resets, the client's or the ones it provokes, end the connection; few requests reach the origin")
    func resets() throws {
        let target = try Target()
        let get = H2Bytes.get
        let primitives: [(String, @Sendable (UInt32) -> [UInt8])] = [
            ("reset", { H2Bytes.headers($0, get) + H2Bytes.reset($0) }),
            ("window 0", { H2Bytes.headers($0, get) + H2Bytes.window($0, 0) }),
            ("window overflow", { H2Bytes.headers($0, get) + H2Bytes.window($0, 0x7fff_ffff) }),
            ("DATA on half-closed", { H2Bytes.headers($0, get) + H2Bytes.data($0, [1]) }),
            ("PRIORITY length", { H2Bytes.headers($0, get) + H2Bytes.frame(2, 0, $0, [0]) }),
            (
                "PRIORITY on itself",
                { H2Bytes.headers($0, get) + H2Bytes.frame(2, 0, $0, H2Bytes.number($0) + [0]) }
            ),
            ("HEADERS after end", { H2Bytes.headers($0, get) + H2Bytes.headers($0, get) }),
            (
                "length mismatch",
                {
                    H2Bytes.headers($0, get + [("content-length", "1")], end: false) + H2Bytes.data($0, [1, 2])
                }
            ),
            ("malformed", { H2Bytes.headers($0, get + [("X", "y")]) }),
            ("0-length name", { H2Bytes.headers($0, get + [("", "y")]) }),
            ("too large", { H2Bytes.headers($0, get + Array(repeating: ("x", "y"), count: 200)) }),
        ]
        for (name, primitive) in primitives {
            let before = target.requests
            let result = try target.flood { primitive(Self.id($0)) }
            #expect(result.code == Self.calm, "\(name): \(result)")
            #expect(result.bursts < 100_000, "\(name)")
            #expect(target.requests - before <= 300, "\(name)")
        }
        try target.end()
    }

    @Test("B3: a client that says it takes no header list gets its responses all the same, one request upstream each")
    func listSize() throws {
        let target = try Target()
        let client = try RawH2(port: target.port)
        try client.send(H2Bytes.settings([(6, 1)]))
        for index in 0..<2_000 {
            try client.send(H2Bytes.headers(Self.id(index), H2Bytes.get))
            #expect(try client.next { $0.type == RawH2.headers }.isOK)
        }
        #expect(target.requests == 2_000)
        try target.end()
    }

    @Test("B4, B5, B7: frames without use end the connection soon, read or not; memory is as before")
    func frames() throws {
        let target = try Target()
        let post = H2Bytes.headers(1, H2Bytes.post, end: false)
        let late = H2Bytes.headers(3, H2Bytes.get) + H2Bytes.reset(3)
        let open = H2Bytes.frame(1, 1, 1, H2Bytes.block(H2Bytes.get))
        let bomb: [UInt8] =
            [0x40, 1, 0x78, 0x7f, 0xa1, 0x1e] + [UInt8](repeating: 0x61, count: 4_000)
            + [UInt8](repeating: 0xbe, count: 12_000)
        let floods: [(String, [UInt8], UInt32, (Int) -> [UInt8])] = [
            ("CONTINUATION", open, 11, { _ in H2Bytes.frame(9, 0, 1, []) }),
            ("full CONTINUATION", open, 11, { _ in H2Bytes.frame(9, 0, 1, [UInt8](repeating: 0, count: 16_384)) }),
            ("PING", [], 11, { _ in H2Bytes.ping }),
            ("SETTINGS", [], 11, { _ in H2Bytes.settings([(4, 65_535)]) }),
            ("PRIORITY", [], 11, { _ in H2Bytes.frame(2, 0, 7, [0, 0, 0, 0, 1]) }),
            ("unknown", [], 11, { _ in H2Bytes.frame(0x42, 0, 0, []) }),
            ("ALTSVC", [], 11, { _ in H2Bytes.frame(0x0a, 0, 1, [0, 0]) }),
            ("empty DATA", post, 11, { _ in H2Bytes.data(1, []) }),
            ("late RST_STREAM", late, 11, { _ in H2Bytes.reset(3) }),
            ("late HEADERS", post + H2Bytes.window(1, 0), 11, { _ in H2Bytes.headers(1, H2Bytes.get) }),
            ("WINDOW_UPDATE", [], 11, { _ in H2Bytes.window(0, 1) }),
            ("HPACK bomb", [], 11, { H2Bytes.frame(1, 5, Self.id($0), H2Bytes.block(H2Bytes.get) + bomb) }),
            ("HPACK integer", [], 9, { _ in H2Bytes.frame(1, 5, 1, [UInt8](repeating: 0xff, count: 64)) }),
            ("Huffman EOS", [], 9, { _ in H2Bytes.frame(1, 5, 1, [0, 0x84, 0xff, 0xff, 0xff, 0xff, 0]) }),
            ("Huffman padding", [], 9, { _ in H2Bytes.frame(1, 5, 1, [0, 0x81, 0x00, 0]) }),
            ("table too large", [], 9, { _ in H2Bytes.frame(1, 5, 1, [0x3f, 0xe1, 0xff, 0x7f, 0x82]) }),
        ]
        // Once through all of them, so that what is kept for reuse is there.
        for (name, before, code, burst) in floods {
            let result = try target.flood(before, burst)
            #expect(result.code == code, "\(name): \(result)")
        }
        let memory = try target.resident()
        for (name, before, code, burst) in floods {
            // As many as are read before an end that nobody looks for is made a hard one.
            let result = try target.flood(before, most: 2_000, reads: false, burst)
            #expect(result.code == code, "\(name): \(result)")
        }
        let grown = try target.resident() - memory
        print("memory grown by \(grown / 1024) KiB in \(floods.count) floods")
        #expect(grown < 2 << 20)
        try target.end()
    }

    @Test("B4: header blocks that never end hold no more than their limit each")
    func openBlocks() throws {
        let target = try Target()
        let count = 100
        let open = H2Bytes.frame(1, 1, 1, H2Bytes.block(H2Bytes.get))
        let part = H2Bytes.frame(9, 0, 1, [UInt8](repeating: 0, count: 16_384))
        let before = try target.resident()
        let clients = try (0..<count).map { _ in
            let client = try RawH2(port: target.port)
            try client.send(open + part + part + part)
            return client
        }
        // They are read when a later one is answered.
        let last = try RawH2(port: target.port)
        try last.send(H2Bytes.headers(1, H2Bytes.get))
        #expect(try last.next { $0.type == RawH2.headers }.isOK)
        let grown = try target.resident() - before
        print("memory grown by \(grown / 1024 / count) KiB for each block of 48 KiB")
        #expect(grown < count * 256 << 10)
        withExtendedLifetime(clients) {}
        try target.end()
    }

    @Test("B4, B9: blocks, heads and content that dribble end in time; connections without a request cost little")
    func dribble() throws {
        // One source may have eight ninths of all places.
        let target = try Target(idle: 5_000_000_000, options: ["--connections", "12000"])
        let before = try target.resident()
        let idle = try (0..<10_000).map { _ in
            let client = try RawH2(port: target.port)
            client.socket.resetOnClose()
            return client
        }
        for _ in 0..<2000 where try target.connected() <= idle.count { usleep(5000) }
        #expect(try target.connected() == idle.count + 1)
        let grown = try target.resident() - before
        print("\(grown / idle.count) bytes for a connection of HTTP/2 without a request")
        #expect(grown < idle.count * 16 << 10)

        let block = try RawH2(port: target.port)
        // Settings are exchanged before, since nothing may stand in a block.
        try block.send(H2Bytes.headers(1, H2Bytes.get))
        #expect(try block.next { $0.flags & 1 == 1 }.stream == 1)
        try block.send(H2Bytes.frame(1, 1, 3, H2Bytes.block(H2Bytes.get)))
        let content = try RawH2(port: target.port)
        try content.send(H2Bytes.headers(1, H2Bytes.post, end: false) + H2Bytes.data(1, [1]))
        var goAway: UInt32?
        // A frame each second: no use.
        let socket = block.socket
        let dribbling = Background {
            for _ in 0..<14 {
                do { try socket.send(H2Bytes.frame(9, 0, 3, [0])) } catch { return }
                usleep(1_000_000)
            }
        }
        while let frame = try? block.next() {
            if frame.type == RawH2.goAway { goAway = RawH2.number(frame.payload.dropFirst(4)) }
        }
        #expect(goAway == Self.calm)
        try dribbling.result()
        // Content that stopped: its stream has ended by now.
        let ended = try content.next { $0.stream == 1 }
        #expect(ended.type == RawH2.headers && !ended.isOK)
        withExtendedLifetime(idle) {}
        try target.end()
    }

    @Test("B6: a hundred large responses that nobody takes hold little, stop upstream, and end by their idle time")
    func stalls() throws {
        let large = String(repeating: "x", count: 1 << 20)
        let target = try Target(idle: 3_000_000_000) { head, _ in
            Origin.ok(head.hasPrefix("GET /bystander") ? "hello" : large)
        }
        // Windows of one byte; none; and a socket that is not read.
        for (window, isRead) in [(UInt32(1), true), (0, true), (1 << 20, false)] {
            let before = try target.resident()
            let client = try RawH2(port: target.port, window: window)
            for index in 0..<100 { try client.send(H2Bytes.headers(Self.id(index), H2Bytes.get)) }
            usleep(500_000)
            for index in 0..<100 where window == 1 { try? client.send(H2Bytes.window(Self.id(index), 1)) }
            let grown = try target.resident() - before
            print("memory grown by \(grown / 1024) KiB for 100 stalled streams, window \(window)")
            #expect(grown < 3 << 20)
            guard isRead else { continue }
            var ended: Set<UInt32> = []
            while ended.count < 100, let frame = try client.next() {
                // One that the origin was too slow for is answered.
                if frame.type == RawH2.reset || frame.flags & 1 == 1 { ended.insert(frame.stream) }
            }
            #expect(ended.count == 100)
        }
        try target.end()
    }
}

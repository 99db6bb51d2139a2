// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@testable import HTTPVectors

@Suite("HTTP/2 floods (B1 to B8)")
struct H2FloodTests {
    /// Sends `burst(n)` again and again; how many times until the connection was given up, and why.
    static func flood(
        _ limit: Int = 20_000, before: [UInt8] = [], h2: H2Limits = H2Limits(), _ burst: (Int) -> [UInt8]
    ) -> (times: Int, reason: WireReason?, requests: Int) {
        var end = H2End(.server, h2: h2)
        end.hear(RawH2.hello + before)
        for index in 0..<limit {
            end.hear(burst(index))
            _ = end.takeOutput()
            if let failure = end.failure {
                return (index, failure, end.log.count { $0.hasPrefix("request") })
            }
        }
        return (limit, nil, end.log.count { $0.hasPrefix("request") })
    }

    private static func id(_ index: Int) -> UInt32 { UInt32(index * 2 + 1) }

    @Test("B1 rapid reset ends within 300 requests")
    func rapidReset() {
        let result = Self.flood { RawH2.headers(Self.id($0), RawH2.get) + RawH2.reset(Self.id($0)) }
        #expect(result.reason == .h2ResetFlood)
        #expect(result.requests <= 300)
    }

    @Test("B2 making the server reset counts the same")
    func madeYouReset() {
        let primitives: [(String, (UInt32) -> [UInt8])] = [
            ("window 0", { RawH2.headers($0, RawH2.get) + RawH2.window($0, 0) }),
            ("window overflow", { RawH2.headers($0, RawH2.get) + RawH2.window($0, 0x7fff_ffff) }),
            ("DATA on half-closed", { RawH2.headers($0, RawH2.get) + RawH2.data($0, [1]) }),
            ("PRIORITY length", { RawH2.headers($0, RawH2.get) + RawH2.frame(2, 0, $0, [0]) }),
            ("PRIORITY on itself", { RawH2.headers($0, RawH2.get) + RawH2.frame(2, 0, $0, RawH2.number($0) + [0]) }),
            ("HEADERS after end", { RawH2.headers($0, RawH2.get) + RawH2.headers($0, RawH2.get) }),
            (
                "length mismatch",
                { RawH2.headers($0, RawH2.post + [("content-length", "1")], end: false) + RawH2.data($0, [1, 2]) }
            ),
            ("malformed", { RawH2.headers($0, RawH2.get + [("X", "y")]) }),
            ("too large", { RawH2.headers($0, RawH2.get + Array(repeating: ("x", "y"), count: 200)) }),
        ]
        for (name, primitive) in primitives {
            let result = Self.flood { primitive(Self.id($0)) }
            #expect(result.reason == .h2ResetFlood, "\(name)")
            #expect(result.times <= 250, "\(name)")
        }
    }

    @Test("resets among requests that complete are forgiven")
    func honestCancels() {
        var end = H2End(.server)
        end.hear(RawH2.hello)
        for index in 0..<5_000 {
            let id = Self.id(index)
            end.hear(RawH2.headers(id, RawH2.get))
            if index % 2 == 0 {
                end.hear(RawH2.reset(id))
            } else if let handle = end.handles[id] {
                end.write { connection, out in
                    let start = connection.beginResponse(200, into: &out)
                    _ = connection.endHead(start, on: handle, endStream: true, into: &out)
                }
            }
            _ = end.takeOutput()
        }
        #expect(end.failure == nil)
        let open = end.connection.openStreams
        #expect(open == 0)
    }

    @Test("B4 CONTINUATION ends after 16 frames or 64 KiB")
    func continuation() {
        let open = RawH2.frame(1, 1, 1, RawH2.block(RawH2.get))
        let empty = Self.flood(before: open) { _ in RawH2.frame(9, 0, 1, []) }
        #expect(empty.reason == .h2ContinuationFlood && empty.times < 16)
        let full = Self.flood(before: open) { _ in RawH2.frame(9, 0, 1, [UInt8](repeating: 0, count: 16_384)) }
        #expect(full.reason == .h2HeadTooLarge && full.times <= 4)
    }

    @Test("B5 control and empty frames end the connection, however the replies are read")
    func control() {
        let floods: [(String, [UInt8], WireReason)] = [
            ("PING", RawH2.ping, .h2ControlFlood),
            ("PING ACK", RawH2.frame(6, 1, 0, [UInt8](repeating: 0, count: 8)), .h2ControlFlood),
            ("SETTINGS", RawH2.settings([(4, 65_535)]), .h2ControlFlood),
            ("SETTINGS ACK", RawH2.frame(4, 1, 0, []), .h2ControlFlood),
            ("GOAWAY", RawH2.frame(7, 0, 0, [UInt8](repeating: 0, count: 8)), .h2ControlFlood),
            ("PRIORITY", RawH2.frame(2, 0, 7, [0, 0, 0, 0, 1]), .h2EmptyFrameFlood),
            ("unknown", RawH2.frame(0x42, 0, 0, []), .h2EmptyFrameFlood),
            ("ALTSVC", RawH2.frame(0x0a, 0, 1, [0, 0]), .h2EmptyFrameFlood),
            ("empty DATA", RawH2.data(1, []), .h2EmptyFrameFlood),
            ("late RST_STREAM", RawH2.reset(3), .h2EmptyFrameFlood),
            ("WINDOW_UPDATE", RawH2.window(0, 1), .h2WindowFlood),
            ("stream WINDOW_UPDATE", RawH2.window(1, 1), .h2WindowFlood),
        ]
        let before = RawH2.headers(1, RawH2.post, end: false) + RawH2.headers(3, RawH2.get) + RawH2.reset(3)
        for (name, frame, reason) in floods {
            let result = Self.flood(before: before) { _ in frame }
            #expect(result.reason == reason && result.times < 1_200, "\(name) \(result)")
        }
    }

    @Test("a peer that does not read its replies is not read from")
    func unreadReplies() {
        var end = H2End(.server)
        end.hear(RawH2.hello)
        end.room = end.output.count + 200
        end.hear(Array((0..<1_000).map { _ in RawH2.ping }.joined()))
        #expect(end.log.last == "full" && end.failure == nil)
        #expect(end.output.count <= end.room)
        end.room = 1 << 20
        end.hear([])
        #expect(end.failure == .h2ControlFlood)
    }

    @Test("time forgives")
    func time() {
        var end = H2End(.server)
        end.hear(RawH2.hello)
        for _ in 0..<1_000 {
            end.hear(RawH2.ping)
            end.connection.elapse(milliseconds: 1_000)
            _ = end.takeOutput()
        }
        #expect(end.failure == nil)
    }

    @Test("B7 tables that flip and lists that explode are bounded")
    func compression() {
        let bomb: [UInt8] =
            [0x40, 1, 0x78, 0x7f, 0xa1, 0x1e] + [UInt8](repeating: 0x61, count: 4_000)
            + [UInt8](repeating: 0xbe, count: 12_000)
        let result = Self.flood { RawH2.frame(1, 5, Self.id($0), RawH2.block(RawH2.get) + bomb) }
        #expect(result.reason == .h2ResetFlood && result.requests == 0)
        let flips: [UInt8] = [0x20, 0x3f, 0xe1, 0x1f]
        let flipped = Self.flood(50) { RawH2.frame(1, 5, Self.id($0), flips + RawH2.block(RawH2.get)) }
        #expect(flipped.reason == nil)
    }

    @Test("B8 more streams than announced are refused, the others live")
    func concurrency() {
        var end = H2End(.server)
        end.hear(RawH2.hello)
        for index in 0..<120 { end.hear(RawH2.headers(Self.id(index), RawH2.get)) }
        let open = end.connection.openStreams
        #expect(end.failure == nil && open == 100)
        #expect(end.log.count { $0.contains("h2_too_many_streams") } == 20)
    }

    @Test("streams that close and open again take no more memory, in any order")
    func reuse() {
        var random = SystemRandomNumberGenerator()
        var end = H2End(.server)
        end.hear(RawH2.hello)
        var open: [UInt32] = []
        for index in 0..<3_000 {
            let id = Self.id(index)
            end.hear(RawH2.headers(id, RawH2.get))
            open.append(id)
            while open.count > Int.random(in: 0...90, using: &random) {
                let closing = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                guard let handle = end.handles[closing] else { continue }
                end.write { connection, out in
                    let start = connection.beginResponse(204, into: &out)
                    #expect(connection.endHead(start, on: handle, endStream: true, into: &out))
                }
            }
            let openStreams = end.connection.openStreams
            #expect(openStreams == open.count)
            _ = end.takeOutput()
        }
        #expect(end.failure == nil)
    }
}

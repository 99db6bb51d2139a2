// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTPVectors
@testable import HTTPWire

/// Decodes blocks with one decoder, as one connection does.
struct HPackSession: ~Copyable {
    var decoder: HPackDecoder
    var limits = WireLimits()
    private var arena = HeadArena()
    private var table = FieldTable()

    init(maximum: Int = 4_096) {
        decoder = HPackDecoder(maximum: maximum)
        limits.underscoreNames = true
    }

    mutating func decode(_ hex: String) -> (outcome: HPackOutcome, fields: [String]) { decode(bytes(hex)) }

    mutating func decode(_ block: [UInt8]) -> (outcome: HPackOutcome, fields: [String]) {
        let outcome = decoder.decode(block.span, rules: WireRules(limits), arena: &arena, fields: &table)
        var fields: [String] = []
        for index in 0..<table.count {
            let name = String(decoding: arena.bytes[table[index].name.range], as: UTF8.self)
            fields.append(name + ": " + String(decoding: arena.bytes[table[index].value.range], as: UTF8.self))
        }
        return (outcome, fields)
    }

    /// The fields of the block that was decoded last that go on, with a mark at those that are never to be indexed.
    func goesOn() -> [String] {
        (0..<table.count).compactMap { index in
            let field = table[index]
            guard !field.isDropped else { return nil }
            let name = String(decoding: arena.bytes[field.name.range], as: UTF8.self)
            let value = String(decoding: arena.bytes[field.value.range], as: UTF8.self)
            return "\(field.isNeverIndexed ? "never " : "")\(name): \(value)"
        }
    }

    /// How the fields that were decoded last are written on; `stored`: after they have waited.
    mutating func rewritten(stored: Bool) -> [UInt8] {
        var end = H2End(.client)
        _ = end.takeOutput()
        guard stored else {
            end.write { connection, out in connection.fields(table, of: arena.bytes.span, into: &out) }
            return end.takeOutput()
        }
        end.write { _, out in StoredHead.write(table, of: arena.bytes.span, into: &out) }
        let kept = end.takeOutput()
        StoredHead.read(kept.span, into: &table)
        end.write { connection, out in connection.fields(table, of: kept.span, into: &out) }
        return end.takeOutput()
    }

    func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.filter { !$0.isWhitespace }.utf8.map { ByteClass.hexValue($0) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

extension HPackOutcome {
    var isDecoded: Bool { if case .decoded = self { true } else { false } }
    var isLost: Bool { if case .lost = self { true } else { false } }
    var isTooLarge: Bool { if case .tooLarge = self { true } else { false } }
}

@Suite("HPACK")
struct HPackTests {
    static let requests = [
        [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
        [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
        [
            ":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com",
            "custom-key: custom-value",
        ],
    ]
    static let responses = [
        [
            ":status: 302", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
        [
            ":status: 307", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
        [
            ":status: 200", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com", "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ],
    ]

    @Test("single fields of RFC 7541 C.2")
    func single() {
        var session = HPackSession()
        #expect(
            session.decode("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572").fields == [
                "custom-key: custom-header"
            ])
        #expect(session.decode("040c 2f73 616d 706c 652f 7061 7468").fields == [":path: /sample/path"])
        #expect(session.decode("1008 7061 7373 776f 7264 0673 6563 7265 74").fields == ["password: secret"])
        #expect(session.decode("82").fields == [":method: GET"])
        #expect(session.decode("be").fields == ["custom-key: custom-header"])
    }

    @Test("what may never be indexed says so to the next hop as well (RFC 7541 §6.2.3)", arguments: [false, true])
    func neverIndexed(stored: Bool) {
        var session = HPackSession()
        for (block, forwarded) in [
            ("1008 7061 7373 776f 7264 0673 6563 7265 74", "1008 7061 7373 776f 7264 0673 6563 7265 74"),
            ("1f08 0473 3363 72", "1f08 0473 3363 72"),
            ("0f08 0473 3363 72", "0f08 0473 3363 72"),
            ("5704 7333 6372", "0f08 0473 3363 72"),
        ] {
            #expect(session.decode(block).outcome.isDecoded)
            #expect(session.rewritten(stored: stored) == session.bytes(forwarded), "\(block)")
        }
    }

    @Test("what is written on in one piece says the same as field by field, whatever came in between")
    func forwarded() {
        var random = SystemRandomNumberGenerator()
        var session = HPackSession(maximum: 1_024)
        for _ in 0..<2_000 {
            var block: [UInt8] = []
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                block += field(&random, remembered: session.decoder.remembered)
            }
            guard session.decode(block).outcome.isDecoded else { continue }
            let expected = session.goesOn()
            var other = HPackSession()
            #expect(other.decode(session.rewritten(stored: false)).outcome.isDecoded)
            #expect(other.goesOn() == expected)
        }
    }

    /// A field in one of the forms that HPACK has: an index, or a literal with and without a name of its own.
    private func field(_ random: inout SystemRandomNumberGenerator, remembered: Int) -> [UInt8] {
        let isReference = UInt8.random(in: 0..<3, using: &random) == 0
        if isReference, remembered > 0, Bool.random(using: &random) {
            return RawH2.integer(62 + Int.random(in: 0..<remembered, using: &random), 7, 0x80)
        }
        if isReference { return [0x80 | UInt8.random(in: 15...56, using: &random)] }
        let forms: [(Int, UInt8)] = [(6, 0x40), (4, 0x00), (4, 0x10)]
        let (bits, first) = forms[Int.random(in: 0..<3, using: &random)]
        let length = [0, 1, 5, 15, 16, 31, 32, 33, 64, 126, 127, 128, 200].randomElement(using: &random) ?? 0
        let value = RawH2.integer(length, 7, 0) + [UInt8](repeating: 0x61 + UInt8(length % 7), count: length)
        switch UInt8.random(in: 0..<3, using: &random) {
        case 0 where remembered > 0:
            return RawH2.integer(62 + Int.random(in: 0..<remembered, using: &random), bits, first) + value
        case 1:
            let names = [15, 24, 28, 31, 33, 54, 58]
            return RawH2.integer(names[Int.random(in: 0..<names.count, using: &random)], bits, first) + value
        default:
            let name = Array("x-\(String(repeating: "n", count: length))".utf8)
            return RawH2.integer(0, bits, first) + RawH2.integer(name.count, 7, 0) + name + value
        }
    }

    @Test("requests of C.3, plain")
    func plainRequests() {
        var session = HPackSession()
        let blocks = [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ]
        for (block, expected) in zip(blocks, Self.requests) { #expect(session.decode(block).fields == expected) }
    }

    @Test("requests of C.4, Huffman")
    func huffmanRequests() {
        var session = HPackSession()
        let blocks = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ]
        for (block, expected) in zip(blocks, Self.requests) { #expect(session.decode(block).fields == expected) }
    }

    @Test("responses of C.5, plain, with eviction at 256 bytes")
    func plainResponses() {
        var session = HPackSession(maximum: 256)
        let blocks = [
            """
            4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
            474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d
            """, "4803 3330 37c1 c0bf",
            """
            88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
            666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
            3630 303b 2076 6572 7369 6f6e 3d31
            """,
        ]
        for (block, expected) in zip(blocks, Self.responses) { #expect(session.decode(block).fields == expected) }
    }

    @Test("responses of C.6, Huffman, with eviction at 256 bytes")
    func huffmanResponses() {
        var session = HPackSession(maximum: 256)
        let blocks = [
            """
            4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
            63c7 8f0b 97c8 e9ae 82ae 43d3
            """, "4883 640e ffc1 c0bf",
            """
            88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
            b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07
            """,
        ]
        for (block, expected) in zip(blocks, Self.responses) { #expect(session.decode(block).fields == expected) }
    }

    @Test(
        "what cannot be decoded loses the connection",
        arguments: [
            "80", "ff 80 80 80 80 01", "ff ff ff ff ff ff ff ff ff ff 01", "be", "40", "40 0a 61", "00 01 61 05 62",
            "00 81 ff 00",
            "00 81 1f ff", "00 84 ff ff ff ff 00", "00 82 ff ff 00", "3f e2 1f", "82 3f 00",
            "20 20 20 20 20 20 20 20 20 20 20 20 20", "7f ff", "0f",
            "00 83 1f ff ff 00", "00 81 08 00",
        ])
    func lost(_ hex: String) {
        var session = HPackSession()
        #expect(session.decode(hex).outcome.isLost, "\(hex)")
    }

    @Test("a block cut anywhere is lost or shorter, never more")
    func truncated() {
        var whole = HPackSession()
        let block = whole.bytes("8287 85 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf 0401 2f be")
        let fields = whole.decode(block).fields
        #expect(fields.count == 6)
        for length in 0..<block.count {
            var cut = HPackSession()
            let (outcome, found) = cut.decode(Array(block[..<length]))
            #expect(outcome.isLost || found == Array(fields[..<found.count]))
        }
    }

    @Test("a bomb of references is refused and costs no memory, and the table stays right")
    func bomb() {
        var session = HPackSession()
        let value = [UInt8](repeating: 0x61, count: 4_000)
        var block: [UInt8] = [0x40, 1, 0x78, 0x7f, 0xa1, 0x1e] + value
        block += [UInt8](repeating: 0xbe, count: 16_000)
        #expect(session.decode(block).outcome.isTooLarge)
        #expect(session.decode([0xbe]).fields == ["x: " + String(repeating: "a", count: 4_000)])
    }

    @Test("the table keeps what a plain model of it keeps")
    func model() {
        var random = SystemRandomNumberGenerator()
        var session = HPackSession(maximum: 512)
        var model: [(name: String, value: String)] = []
        var limit = 512
        for _ in 0..<1_000 {
            var block: [UInt8] = []
            var expected: [String] = []
            if Int.random(in: 0..<20, using: &random) == 0 {
                limit = Int.random(in: 0...512, using: &random)
                block += RawH2.integer(limit, 5, 0x20)
                evict(&model, limit)
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                if !model.isEmpty, Bool.random(using: &random) {
                    let index = Int.random(in: 0..<model.count, using: &random)
                    block += RawH2.integer(62 + index, 7, 0x80)
                    expected.append(model[index].name + ": " + model[index].value)
                } else {
                    let name = String(repeating: "n", count: Int.random(in: 1...40, using: &random))
                    let value = String(
                        repeating: "v",
                        count: Int.random(in: 0...(Bool.random(using: &random) ? 40 : 600), using: &random))
                    block += [0x40] + RawH2.integer(name.utf8.count, 7, 0) + name.utf8
                    block += RawH2.integer(value.utf8.count, 7, 0) + value.utf8
                    expected.append(name + ": " + value)
                    model.insert((name, value), at: 0)
                    evict(&model, limit)
                }
            }
            let (outcome, fields) = session.decode(block)
            #expect(outcome.isDecoded && fields == expected)
        }
    }

    private func evict(_ model: inout [(name: String, value: String)], _ limit: Int) {
        while model.reduce(0, { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }) > limit { model.removeLast() }
    }
}

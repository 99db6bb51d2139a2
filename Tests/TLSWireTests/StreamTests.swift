// SPDX-License-Identifier: Apache-2.0

import TLSWire
import Testing

@Suite("Records after the handshake", .timeLimit(.minutes(15)))
struct StreamTests {
    static let engines: [TLSSettings.Engine] = [.library, .records]

    private func pair(_ engine: TLSSettings.Engine, server: TLSSettings.Engine? = nil) throws -> (
        MemoryPair, TLSStream, TLSStream
    ) {
        let certificates = try Certificates.all()
        let pair = try MemoryPair(
            client: certificates.settings(.client, engine: engine),
            server: certificates.settings(.server, engine: server ?? engine))
        #expect(pair.clientReason == nil && pair.serverReason == nil)
        return (pair, try #require(pair.client), try #require(pair.server))
    }

    private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    @Test("content of every size arrives, both ways, between both engines", arguments: engines, engines)
    func sizes(_ client: TLSSettings.Engine, _ server: TLSSettings.Engine) throws {
        let (pair, near, far) = try pair(client, server: server)
        for count in [0, 1, 15, 16, 17, 1000, 16383, 16384, 16385, 40_000, 65_536] {
            let bytes = pattern(count)
            for (from, to) in [(near, far), (far, near)] {
                let (state, content, _) = to.opened(from.sealed(bytes), room: 65536 + 4096)
                #expect(state == .open && content == bytes, "\(count)")
            }
        }
        withExtendedLifetime(pair) {}
    }

    @Test("records that come byte by byte are opened when they are whole", arguments: engines)
    func byteByByte(_ engine: TLSSettings.Engine) throws {
        let (pair, near, far) = try pair(engine)
        let records = near.sealed(Array("one".utf8)) + near.sealed(Array("two".utf8))
        var input: [UInt8] = []
        var content: [UInt8] = []
        for byte in records {
            input.append(byte)
            let (state, more, consumed) = far.opened(input)
            #expect(state == .open)
            content += more
            input.removeFirst(consumed)
        }
        #expect(content == Array("onetwo".utf8))
        withExtendedLifetime(pair) {}
    }

    @Test("a record waits until there is room for it", arguments: engines)
    func room(_ engine: TLSSettings.Engine) throws {
        let (pair, near, far) = try pair(engine)
        let records = near.sealed(pattern(16384)) + near.sealed(pattern(10))
        let (state, content, consumed) = far.opened(records, room: 1000)
        #expect(state == .wantsRoom && content.isEmpty && consumed == 0)
        let (first, all, used) = far.opened(records, room: 16384 + 100)
        #expect(first == .open || first == .wantsRoom)
        #expect(all.count >= 16384 && used >= 16384)
        withExtendedLifetime(pair) {}
    }

    @Test("one side may end while the other goes on", arguments: engines)
    func halfClose(_ engine: TLSSettings.Engine) throws {
        let (pair, near, far) = try pair(engine)
        let end = near.ended()
        #expect(!end.isEmpty && near.ended().isEmpty)
        #expect(!far.hasEnded)
        #expect(far.opened(near.sealed([1])).content.isEmpty)
        #expect(far.opened(end).state == .ended)
        #expect(far.hasEnded)
        // Content behind the end is none.
        #expect(far.opened(end).content.isEmpty)
        let (state, content, _) = near.opened(far.sealed(Array("still here".utf8)))
        #expect(state == .open && content == Array("still here".utf8))
        #expect(near.opened(far.ended()).state == .ended)
        withExtendedLifetime(pair) {}
    }

    /// What somebody between both does to a record of content, and what it is called.
    static let attacks: [(name: String, make: @Sendable ([UInt8]) -> [UInt8], reason: TLSReason)] = [
        ("a changed bit of content", { $0[..<8] + [$0[8] ^ 1] + $0[9...] }, .badRecord),
        ("a changed bit of the tag", { $0.dropLast() + [($0.last ?? 0) ^ 1] }, .badRecord),
        ("a changed length", { $0[..<4] + [$0[4] &- 1] + $0[5...].dropLast() }, .badRecord),
        ("another record's place", { record in record + record }, .badRecord),
        ("a record longer than any", { _ in [23, 3, 3, 0x41, 1] }, .recordSize),
        ("no record", { _ in Array("HTTP/1.1 200 OK".utf8) }, .malformed),
        ("an empty record", { _ in [23, 3, 3, 0, 0] }, .badRecord),
        ("a record of a tag alone", { _ in [23, 3, 3, 0, 16] + [UInt8](repeating: 0, count: 16) }, .badRecord),
        ("an alert in clear", { _ in [21, 3, 3, 0, 2, 1, 0] }, .unexpectedMessage),
        ("a handshake in clear: renegotiation", { _ in [22, 3, 3, 0, 4, 0, 0, 0, 0] }, .unexpectedMessage),
        ("a change of ciphers", { _ in [20, 3, 3, 0, 1, 1] }, .unexpectedMessage),
    ]

    @Test("a record that was tampered with is refused", arguments: attacks.indices)
    func tampered(_ index: Int) throws {
        let (name, make, reason) = Self.attacks[index]
        let (pair, near, far) = try pair(.records)
        let (state, content, _) = far.opened(make(near.sealed(Array("content".utf8))))
        #expect(state == .failed(reason), "\(name)")
        #expect(content.isEmpty || index == 3, "\(name)")
        var words = [UInt8](repeating: 0, count: TLSStream.lastWordsRoom)
        let count = words.withUnsafeMutableBytes { far.lastWords(into: $0) }
        #expect(near.opened(Array(words[..<count])).state == .failed(.peerAlert), "\(name): the peer is told")
        // A failure is for good.
        #expect(far.opened(near.sealed([1])).content.isEmpty && far.sealed([1]).isEmpty, "\(name)")
        withExtendedLifetime(pair) {}
    }

    @Test("the library refuses the same", arguments: attacks.indices)
    func tamperedLibrary(_ index: Int) throws {
        let (pair, near, far) = try pair(.library)
        let (state, content, _) = far.opened(Self.attacks[index].make(near.sealed(Array("content".utf8))))
        guard case .failed = state else {
            // It looks at an alert in clear and at a change of ciphers as such, and answers by ending or passing over.
            #expect([4, 8, 10].contains(index) && content.isEmpty, "\(Self.attacks[index].name): \(state)")
            return
        }
        withExtendedLifetime(pair) {}
    }

    @Test("a truncated stream is told from one that has ended", arguments: engines)
    func truncated(_ engine: TLSSettings.Engine) throws {
        let (pair, near, far) = try pair(engine)
        let record = near.sealed(Array("content".utf8))
        #expect(far.opened(Array(record.dropLast(3))).content.isEmpty)
        #expect(!far.hasEnded)
        withExtendedLifetime(pair) {}
    }

    @Test("buffers that were given back come back by themselves", arguments: engines)
    func rest(_ engine: TLSSettings.Engine) throws {
        let (pair, near, far) = try pair(engine)
        for _ in 0..<100 {
            near.rest()
            far.rest()
            #expect(far.opened(near.sealed(pattern(20_000))).content.count == 20_000)
        }
        withExtendedLifetime(pair) {}
    }
}

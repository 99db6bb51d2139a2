// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import Testing

/// Whatever arrives: a message, an error or a wait for more. Never a trap, never memory without bound.
@Suite("Bytes that are no message")
struct GarbageTests {
    @Test("cut off at each byte: waits, and goes on when the rest comes")
    func truncation() throws {
        for message in MessageTests.messages + (try SnapshotMessages(MessageTests.snapshot).messages) {
            let bytes = message.encoded()
            for cut in 0..<bytes.count {
                var decoder = FrameDecoder()
                decoder.append(bytes[..<cut])
                let early = try decoder.next()
                #expect(early == nil)
                decoder.append(bytes[cut...])
                let whole = try decoder.next()
                #expect(whole == message)
            }
        }
    }

    @Test("fields cut off inside a frame of the right length are an error")
    func truncatedFields() throws {
        let bytes = MessageTests.messages[0].encoded()
        for cut in 9..<bytes.count - 1 {
            var frame = Array(bytes[..<cut])
            let length = UInt32(frame.count - 4)
            for index in 0..<4 { frame[index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index)) }
            var decoder = FrameDecoder()
            decoder.append(frame)
            // A cut between two fields leaves a valid, shorter message: newer peers may leave fields out.
            _ = try? decoder.next()
        }
    }

    @Test("huge and tiny lengths are refused at once", arguments: [0, 1, 3, (1 << 20) + 1, 0x7fff_ffff, 0xffff_ffff])
    func lengths(length: UInt32) {
        var decoder = FrameDecoder()
        decoder.append((0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(8 * $0)) } + [1, 0, 0, 0])
        #expect(throws: LinkError.self) { _ = try decoder.next() }
    }

    @Test("an unknown message and an unknown field are skipped")
    func unknown() throws {
        let known = Message.applied(generation: 9).encoded()
        var stranger = known
        stranger[4] = 0xee
        stranger[5] = 0x7f
        var extended = known + [0xff, 0xff, 2, 0, 0, 0, 1, 2]
        extended[0] += 8
        var decoder = FrameDecoder()
        decoder.append(stranger + extended)
        let message = try decoder.next()
        #expect(message == .applied(generation: 9))
        let end = try decoder.next()
        #expect(end == nil)
    }

    @Test("random bytes and random changes to real messages", arguments: 0..<20)
    func random(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let real = try (MessageTests.messages + SnapshotMessages(MessageTests.snapshot).messages).map { $0.encoded() }
        for _ in 0..<2000 {
            var bytes = real[Int(random.next() % UInt64(real.count))]
            switch random.next() % 3 {
            case 0:
                bytes = (0..<Int(random.next() % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            case 1:
                for _ in 0...random.next() % 4 {
                    bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
                }
            default:
                // The length stays right, so that the damage reaches the fields.
                for _ in 0...random.next() % 8 {
                    let at = 8 + Int(random.next() % UInt64(max(1, bytes.count - 8)))
                    if at < bytes.count { bytes[at] = UInt8(truncatingIfNeeded: random.next()) }
                }
            }
            var decoder = FrameDecoder()
            var assembler = SnapshotAssembler()
            decoder.append(bytes)
            do {
                while let message = try decoder.next() {
                    _ = try? assembler.take(message)
                    // What was understood can be said again.
                    _ = message.encoded()
                }
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
    }
}

/// The same numbers for the same seed.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

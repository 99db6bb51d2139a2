// SPDX-License-Identifier: Apache-2.0

import TLSWire
import Testing

@Suite("Bytes that nobody would send", .timeLimit(.minutes(15)))
struct MutationTests {
    /// The same changes in every run.
    private struct Chance: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
            return mixed ^ mixed >> 31
        }

        /// Some bytes changed, left out, put in, repeated or cut off.
        mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
            guard !bytes.isEmpty else { return bytes }
            var bytes = bytes
            for _ in 0..<Int.random(in: 1...3, using: &self) where !bytes.isEmpty {
                let at = Int.random(in: 0..<bytes.count, using: &self)
                switch Int.random(in: 0..<6, using: &self) {
                case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &self)
                case 1: bytes[at] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &self) ?? 0
                case 2: bytes.remove(at: at)
                case 3: bytes.insert(UInt8.random(in: 0...255, using: &self), at: at)
                case 4: bytes.removeLast(bytes.count - at)
                default: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 40)], at: at)
                }
            }
            return bytes
        }
    }

    @Test("in a handshake: it fails, waits or succeeds, and whoever is let in is who showed the certificate")
    func handshakes() throws {
        let certificates = try Certificates.all()
        let client = try certificates.settings(.client)
        let server = try certificates.settings(.server)
        var chance = Chance(state: 7)
        var reasons: Set<TLSReason> = []
        for round in 0..<600 {
            let (fromClient, number) = (round % 2 == 0, round % 3 == 0 && round % 2 == 0 ? 1 : 0)
            let pair = try MemoryPair(client: client, server: server) { isFromClient, flight, bytes in
                isFromClient == fromClient && flight == number ? chance.mutate(bytes) : bytes
            }
            if pair.server != nil {
                #expect(pair.clientName?.description == "spiffe://malla.test/ns/default/sa/frontend")
            }
            if let reason = pair.clientReason { reasons.insert(reason) }
            if let reason = pair.serverReason { reasons.insert(reason) }
        }
        #expect(reasons.count >= 5, "\(reasons)")
    }

    @Test("in records: nothing comes out but what went in", arguments: StreamTests.engines)
    func records(_ engine: TLSSettings.Engine) throws {
        let certificates = try Certificates.all()
        var chance = Chance(state: 11)
        for round in 0..<60 {
            let pair = try MemoryPair(
                client: certificates.settings(.client, engine: engine),
                server: certificates.settings(.server, engine: engine))
            let near = try #require(pair.client)
            let far = try #require(pair.server)
            let content = [UInt8](repeating: UInt8(round), count: 100 + round * 300)
            var records = near.sealed(content) + near.sealed(content)
            records = chance.mutate(records)
            var all: [UInt8] = []
            for _ in 0..<10 {
                let (state, part, consumed) = far.opened(records)
                all += part
                records.removeFirst(consumed)
                if state != .open || consumed == 0 { break }
            }
            #expect(all.count % content.count == 0 || all.isEmpty || content.count > 16384)
            #expect(all == Array((content + content).prefix(all.count)))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import TLSWire

/// A whole handshake between two ends in memory.
enum Handshake {
    /// Whom the client and whom the server saw. Throws the reason of the first that refuses.
    static func run(
        client: TLSSettings, expecting: [SPIFFEName], server: TLSSettings, now: Int64
    ) throws -> (client: SPIFFEName, server: SPIFFEName) {
        let ends = [
            End(try TLSHandshake(client, expected: expecting, now: now)), End(try TLSHandshake(server, now: now)),
        ]
        var seen: [SPIFFEName?] = [nil, nil]
        for _ in 0..<10 {
            for side in 0...1 {
                guard seen[side] == nil else { continue }
                let (bytes, name) = try ends[side].advance()
                ends[1 - side].input += bytes
                seen[side] = name
            }
            if let client = seen[0], let server = seen[1] { return (client, server) }
        }
        throw TLSReason.failed
    }

    private final class End {
        private var handshake: TLSHandshake?
        var input: [UInt8] = []

        init(_ handshake: consuming TLSHandshake) { self.handshake = consume handshake }

        func advance() throws -> (bytes: [UInt8], name: SPIFFEName?) {
            guard var handshake = handshake.take() else { throw TLSReason.failed }
            var output = [UInt8](repeating: 0, count: TLSHandshake.room)
            let step = input.withUnsafeBytes { input in
                output.withUnsafeMutableBytes { handshake.step(input, into: $0) }
            }
            input.removeFirst(step.consumed)
            switch step.outcome {
            case .done:
                let (stream, name) = try handshake.finish()
                stream.free()
                return (Array(output[..<step.produced]), name)
            case .failed(let reason): throw reason
            case .wantsInput, .wantsRoom:
                self.handshake = consume handshake
                return (Array(output[..<step.produced]), nil)
            }
        }
    }
}

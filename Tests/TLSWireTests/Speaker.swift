// SPDX-License-Identifier: Apache-2.0

import Glibc
import TLSWire

/// One end of a TLS connection over a blocking socket: what the proxy does with edges, done in the simplest way.
final class Speaker {
    private let wire: Wire
    private var stream: TLSStream?
    private var rest: [UInt8] = []
    private(set) var peer: SPIFFEName?
    /// Why it failed, in the handshake or later.
    private(set) var reason: TLSReason?
    private(set) var hasEnded = false
    /// Bytes that are read at a time.
    var portion = 65536

    init(_ wire: Wire) { self.wire = wire }

    deinit { stream?.free() }

    static var now: Int64 { Int64(time(nil)) }

    /// Goes through the handshake. False: ``reason`` says why not.
    func shake(_ settings: TLSSettings, expected: [SPIFFEName] = [], now: Int64 = Speaker.now) throws -> Bool {
        var handshake = try TLSHandshake(settings, expected: expected, now: now)
        var output = [UInt8](repeating: 0, count: TLSHandshake.room)
        var isFirst = settings.role == .client
        while true {
            if !isFirst {
                let more = wire.receive(portion)
                guard !more.isEmpty else {
                    reason = .handshakeEnded
                    return false
                }
                rest += more
            }
            isFirst = false
            let step = rest.withUnsafeBytes { input in
                output.withUnsafeMutableBytes { handshake.step(input, into: $0) }
            }
            rest.removeFirst(step.consumed)
            wire.send(output[..<step.produced])
            switch step.outcome {
            case .wantsInput, .wantsRoom: continue
            case .failed(let reason):
                self.reason = reason
                return false
            case .done:
                let (stream, peer) = try handshake.finish()
                self.stream = stream
                self.peer = peer
                return true
            }
        }
    }

    /// Content that comes next; empty: it ended, or failed for ``reason``.
    func receive() -> [UInt8] {
        guard let stream else { return [] }
        var output = [UInt8](repeating: 0, count: 65536 + TLSStream.slack)
        while true {
            let opened = rest.withUnsafeBytes { input in
                output.withUnsafeMutableBytes { stream.open(input, into: $0) }
            }
            rest.removeFirst(opened.consumed)
            switch opened.state {
            case .ended: hasEnded = true
            case .failed(let reason):
                self.reason = reason
                let count = output.withUnsafeMutableBytes { stream.lastWords(into: $0) }
                wire.send(output[..<count])
                return []
            case .open, .wantsRoom: break
            }
            if opened.produced > 0 || hasEnded { return Array(output[..<opened.produced]) }
            let more = wire.receive(portion)
            guard !more.isEmpty else {
                reason = .truncated
                return []
            }
            rest += more
        }
    }

    /// All content until the end or a failure.
    func receiveAll() -> [UInt8] {
        var all: [UInt8] = []
        while !hasEnded, reason == nil { all += receive() }
        return all
    }

    /// Content, until `count` bytes of it have come.
    func receive(exactly count: Int) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count, !hasEnded, reason == nil { all += receive() }
        return all
    }

    /// Records of some content, without sending them.
    func seal(_ bytes: [UInt8]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: TLSStream.sealedSize(bytes.count))
        let count = bytes.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { stream?.seal(input, into: $0) }
        }
        return Array(output[..<(count ?? 0)])
    }

    func send(_ bytes: [UInt8]) { wire.send(seal(bytes)) }
    func send(_ text: String) { send(Array(text.utf8)) }

    /// Says the end (close_notify).
    func end() {
        var output = [UInt8](repeating: 0, count: TLSStream.lastWordsRoom)
        let count = output.withUnsafeMutableBytes { stream?.end(into: $0) }
        wire.send(output[..<(count ?? 0)])
    }

    /// Gives back buffers.
    func pause() { stream?.rest() }
}

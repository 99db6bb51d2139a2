// SPDX-License-Identifier: Apache-2.0

import Glibc

/// An endless sequence of bytes that is its own checksum: each byte received is compared with what must stand there.
struct Pattern: Sendable {
    /// What came.
    struct Received: Equatable {
        var count = 0
        var isRight = true
    }

    // Of prime length, so that bytes swapped or lost in whole pages or buffers never fit by chance.
    private static let period = 1_048_573
    private let bytes: [UInt8]

    init(seed: UInt64) {
        var state = seed
        // Twice the period: any stretch up to a period is contiguous.
        let once = (0..<Self.period).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        bytes = once + once
    }

    /// Sends the first `count` bytes of the sequence.
    func send(_ count: Int, to socket: TCP) throws {
        var at = 0
        while at < count {
            let size = min(count - at, 256 << 10)
            try socket.send(portion(at, size))
            at += size
        }
    }

    /// The `size` bytes (at most a period) from place `at` on.
    func portion(_ at: Int, _ size: Int) -> [UInt8] {
        let start = at % Self.period
        return Array(bytes[start..<start + size])
    }

    /// Receives to the end and compares.
    func drain(_ socket: TCP) throws -> Received {
        var received = Received()
        while true {
            let more = try socket.receive(256 << 10)
            if more.isEmpty { return received }
            let start = received.count % Self.period
            let same = more.elementsEqualByMemory(bytes, from: start)
            received.isRight = received.isRight && same
            received.count += more.count
        }
    }
}

extension [UInt8] {
    /// Comparing byte by byte takes seconds for tens of MiB without optimisation.
    fileprivate func elementsEqualByMemory(_ other: [UInt8], from start: Int) -> Bool {
        withUnsafeBytes { own in
            other.withUnsafeBytes { other in
                guard let own = own.baseAddress, let other = other.baseAddress else { return count == 0 }
                return memcmp(own, other + start, count) == 0
            }
        }
    }
}

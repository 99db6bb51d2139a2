// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// One worker's counters. Used by one thread; finding a cell allocates nothing.
public struct CounterTable: ~Copyable {
    private let file: CounterFile
    private let start: UnsafeMutablePointer<UInt64>
    private let mask: Int
    private var used = 0
    private let most: Int

    init(file: CounterFile, start: UnsafeMutablePointer<UInt64>, cells: Int) {
        self.file = file
        self.start = start
        mask = cells - 1
        // A fuller table would make searches for missing keys long.
        most = cells / 4 * 3
        for index in 1...cells where start[index * CounterLayout.cellWords + CounterLayout.Word.key1] != 0 { used += 1 }
    }

    /// The cell of a key, made when there is none. When the table is three quarters full, keys without a cell are
    /// counted in the overflow cell.
    public mutating func cell(_ key: CounterKey) -> CounterCell {
        let wanted = key.words
        var index = Int(truncatingIfNeeded: Self.hash(wanted)) & mask
        while true {
            let words = start + (index + 1) * CounterLayout.cellWords
            if words[CounterLayout.Word.key1] == 0 {
                guard used < most else { break }
                used += 1
                words[CounterLayout.Word.key0] = wanted.0
                Self.publish(words + CounterLayout.Word.key1, wanted.1)
                return CounterCell(words: words)
            }
            if words[CounterLayout.Word.key0] == wanted.0, words[CounterLayout.Word.key1] == wanted.1 {
                return CounterCell(words: words)
            }
            index = (index + 1) & mask
        }
        return overflow(key.kind)
    }

    /// The cell of what finds none. That of connections is the first of the table; the others are ordinary cells, for
    /// which the last quarter has room.
    private mutating func overflow(_ kind: CounterKey.Kind) -> CounterCell {
        let wanted = CounterKey.overflow(kind).words
        var index = kind == .connections ? -1 : Int(truncatingIfNeeded: Self.hash(wanted)) & mask
        while true {
            let words = start + (index + 1) * CounterLayout.cellWords
            let isOwn = words[CounterLayout.Word.key0] == wanted.0 && words[CounterLayout.Word.key1] == wanted.1
            if isOwn || words[CounterLayout.Word.key1] == 0 {
                words[CounterLayout.Word.key0] = wanted.0
                if !isOwn { Self.publish(words + CounterLayout.Word.key1, wanted.1) }
                return CounterCell(words: words)
            }
            index = (index + 1) & mask
        }
    }

    /// The second half of a key is written last: it tells readers that the cell is in use.
    private static func publish(_ word: UnsafeMutablePointer<UInt64>, _ value: UInt64) {
        UnsafeMutableRawPointer(word).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
            .store(value, ordering: .releasing)
    }

    private static func hash(_ key: (UInt64, UInt64)) -> UInt64 {
        var mixed = key.0 &* 0x9e37_79b9_7f4a_7c15 ^ key.1 &* 0xc2b2_ae3d_27d4_eb4f
        mixed ^= mixed >> 32
        mixed = mixed &* 0xd6e8_feb8_6659_fd93
        return mixed ^ mixed >> 32
    }
}

/// One row of counters. A copy refers to the same row; valid as long as the table's file is mapped. For the table's
/// thread only. Counters wrap rather than trap.
public struct CounterCell: BitwiseCopyable {
    private let words: UnsafeMutablePointer<UInt64>

    init(words: UnsafeMutablePointer<UInt64>) { self.words = words }

    /// A connection to an endpoint stands, after `nanoseconds` since it was accepted.
    public func opened(after nanoseconds: UInt64) {
        words[CounterLayout.Word.opened] &+= 1
        words[CounterLayout.Word.active] &+= 1
        words[CounterLayout.Word.connectNanoseconds] &+= nanoseconds
        words[CounterLayout.Word.histogram + ConnectTimeBuckets.index(nanoseconds: nanoseconds)] &+= 1
    }

    /// A connection that was counted as opened has ended.
    public func closed() {
        words[CounterLayout.Word.closed] &+= 1
        words[CounterLayout.Word.active] &-= 1
    }

    /// A connection was refused before one to an endpoint stood; for cells with a reason.
    public func refused() { words[CounterLayout.Word.refused] &+= 1 }

    /// A connection that stood was ended for the cell's reason; `closed` is counted in its own cell.
    public func cut() { words[CounterLayout.Word.cut] &+= 1 }

    /// A request has ended, after `nanoseconds` since its head; for cells of requests.
    public func answered(_ outcome: RequestOutcome, after nanoseconds: UInt64, sent: UInt64, received: UInt64) {
        words[CounterLayout.Word.outcomes + outcome.rawValue] &+= 1
        words[CounterLayout.Word.sent] &+= sent
        words[CounterLayout.Word.received] &+= received
        words[CounterLayout.Word.connectNanoseconds] &+= nanoseconds
        words[CounterLayout.Word.histogram + ConnectTimeBuckets.index(nanoseconds: nanoseconds)] &+= 1
    }

    /// Statuses of gRPC that are counted one by one; what is above, or missing, is the last one's.
    public static var callStatuses: Int { 18 }

    /// A gRPC call has ended with this status; for cells of calls.
    public func called(status: UInt8) {
        words[CounterLayout.Word.outcomes + min(Int(status), Self.callStatuses - 1)] &+= 1
    }

    /// A request was sent once more, or was not; for cells of attempts.
    public func attempted(_ kind: ExtraAttempt) { words[CounterLayout.Word.outcomes + kind.rawValue] &+= 1 }

    /// Bytes that the endpoint was sent.
    @inline(__always) public func sent(_ bytes: Int) {
        words[CounterLayout.Word.sent] &+= UInt64(truncatingIfNeeded: bytes)
    }

    /// Bytes that the client was sent.
    @inline(__always) public func received(_ bytes: Int) {
        words[CounterLayout.Word.received] &+= UInt64(truncatingIfNeeded: bytes)
    }
}

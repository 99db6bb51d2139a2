// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Memory for bytes that a peer did not take yet; `none` holds nothing.
public struct Buffer: BitwiseCopyable {
    /// Where the bytes are; `nil` for ``none``.
    public fileprivate(set) var start: UnsafeMutableRawPointer?
    @usableFromInline var size: UInt8 = 0  // index of its size class

    /// Whether it can hold ``BufferPool/largest`` bytes.
    @inlinable public var isLargest: Bool { size == 2 }

    /// No memory.
    public static var none: Buffer { Buffer(start: nil) }
}

/// One thread's memory for what could not be sent at once.
///
/// Bytes normally pass through a scratch area that all connections of a thread share. Only what a slow peer leaves
/// over is kept, in a buffer of one of three sizes, until the peer takes it; no more is read for it meanwhile. All
/// buffers together stay under a limit: at it, bytes are left in sockets until they can be sent.
public struct BufferPool: ~Copyable {
    /// The largest buffer, and what the scratch area reads at most in one go.
    public static let largest = 64 << 10
    /// Bytes of a buffer of a size class.
    @inline(__always)
    private static func bytes(_ size: Int) -> Int { size == 0 ? 4 << 10 : size == 1 ? 16 << 10 : largest }

    /// Buffers of each size that are kept for reuse instead of being given back to the system.
    @inline(__always)
    private static func kept(_ size: Int) -> Int { size == 0 ? 256 : 32 }

    private let limit: Int
    /// Free buffers, those of one size behind each other with room for all that are kept; the pool's own memory.
    private let free: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var counts = InlineArray<3, Int>(repeating: 0)
    /// Bytes in buffers that are in use.
    public private(set) var used = 0

    /// A pool that gives out at most `limit` bytes at a time, but at least one buffer.
    public init(limit: Int) {
        self.limit = max(limit, Self.largest)
        free = .allocate(capacity: Self.kept(0) * 3)
    }

    deinit {
        for size in 0..<3 {
            for index in 0..<counts[size] { free[size * Self.kept(0) + index].deallocate() }
        }
        free.deallocate()
    }

    /// Whether a buffer of the largest size can be had: asked before reading, so that what was read is never lost.
    public var hasRoom: Bool { used <= limit - Self.largest }

    /// Whether more than half of the limit is left: room for what is only good to have.
    public var isAmple: Bool { used < limit / 2 }

    /// Whether less than an eighth of the limit is left: time to take on nothing new.
    public var isTight: Bool { used > limit - limit / 8 }

    /// Whether the limit was passed: what can be given up has to be.
    public var isExceeded: Bool { used > limit }

    /// A buffer for `count` bytes (at most ``largest``), filled with them.
    public mutating func keep(_ bytes: UnsafeRawPointer, count: Int) -> Buffer {
        let buffer = take(capacity: count)
        buffer.start?.copyMemory(from: bytes, byteCount: count)
        return buffer
    }

    /// An empty buffer of at least `capacity` bytes (at most ``largest``), for bytes that will mostly leave at once. The
    /// limit is no obstacle: whoever fills buffers beyond it asks ``hasRoom`` first.
    public mutating func take(capacity: Int) -> Buffer {
        precondition(capacity <= Self.largest)
        let size = capacity <= Self.bytes(0) ? 0 : capacity <= Self.bytes(1) ? 1 : 2
        used += Self.bytes(size)
        let count = counts[size]
        guard count > 0 else {
            return Buffer(start: .allocate(byteCount: Self.bytes(size), alignment: 64), size: UInt8(size))
        }
        counts[size] = count - 1
        return Buffer(start: free[size * Self.kept(0) + count - 1], size: UInt8(size))
    }

    /// Bytes that a buffer can hold; 0 for `none`.
    public func capacity(of buffer: Buffer) -> Int { buffer.start == nil ? 0 : Self.bytes(Int(buffer.size)) }

    /// Takes a buffer back and empties the variable that held it.
    public mutating func recycle(_ buffer: inout Buffer) {
        guard let start = buffer.start else { return }
        let size = Int(buffer.size)
        used -= Self.bytes(size)
        let count = counts[size]
        if count < Self.kept(size) {
            free[size * Self.kept(0) + count] = start
            counts[size] = count + 1
        } else {
            start.deallocate()
        }
        buffer = .none
    }
}

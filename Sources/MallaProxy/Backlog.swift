// SPDX-License-Identifier: Apache-2.0

import Reactor

/// Bytes that wait for a receiver, in as many buffers as it takes: first in, first out. What bounds it is the window that
/// their sender was granted.
struct Backlog: BitwiseCopyable {
    /// Stands at the beginning of each buffer.
    private struct Head: BitwiseCopyable {
        var next = Buffer.none
        var offset: Int32
        var count: Int32
    }

    private static var headSize: Int { MemoryLayout<Head>.stride }

    private var first = Buffer.none
    private var last = Buffer.none
    /// Bytes that wait.
    private(set) var count = 0

    /// Whether nothing waits.
    var isEmpty: Bool { count == 0 }

    /// Adds bytes behind the others.
    mutating func append(_ bytes: UnsafeRawBufferPointer, from pool: inout BufferPool) {
        var rest = bytes
        count += bytes.count
        if let start = last.start {
            let head = Self.head(start)
            let end = Self.headSize + Int(head.pointee.offset) + Int(head.pointee.count)
            let portion = min(rest.count, pool.capacity(of: last) - end)
            if portion > 0, let from = rest.baseAddress {
                (start + end).copyMemory(from: from, byteCount: portion)
                head.pointee.count += Int32(portion)
                rest = UnsafeRawBufferPointer(rebasing: rest[portion...])
            }
        }
        while let from = rest.baseAddress, rest.count > 0 {
            let portion = min(rest.count, BufferPool.largest - Self.headSize)
            // The first is of its size, since most that wait are short; who has more to wait with gets large ones.
            let buffer = pool.take(
                capacity: first.start == nil ? portion + Self.headSize : BufferPool.largest)
            guard let start = buffer.start else { return }
            start.storeBytes(of: Head(offset: 0, count: Int32(portion)), as: Head.self)
            (start + Self.headSize).copyMemory(from: from, byteCount: portion)
            if let end = last.start { Self.head(end).pointee.next = buffer } else { first = buffer }
            last = buffer
            rest = UnsafeRawBufferPointer(rebasing: rest[portion...])
        }
    }

    /// The bytes that come next, as far as they stand in one place.
    var front: UnsafeRawBufferPointer {
        guard let start = first.start else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let head = Self.head(start)
        return UnsafeRawBufferPointer(
            start: start + Self.headSize + Int(head.pointee.offset), count: Int(head.pointee.count))
    }

    /// Forgets the first bytes, which have left: no more than ``front`` has.
    mutating func removeFront(_ bytes: Int, to pool: inout BufferPool) {
        guard let start = first.start else { return }
        count -= bytes
        let head = Self.head(start)
        head.pointee.offset += Int32(bytes)
        head.pointee.count -= Int32(bytes)
        guard head.pointee.count == 0 else { return }
        let next = head.pointee.next
        pool.recycle(&first)
        first = next
        if next.start == nil { last = .none }
    }

    /// Gives all of it up.
    mutating func clear(to pool: inout BufferPool) {
        while let start = first.start {
            let next = Self.head(start).pointee.next
            pool.recycle(&first)
            first = next
        }
        last = .none
        count = 0
    }

    private static func head(_ start: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Head> {
        start.assumingMemoryBound(to: Head.self)
    }
}

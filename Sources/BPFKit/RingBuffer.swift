// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc
import Synchronization

/// The records that programs put into a ring buffer, as an asynchronous sequence. Kernel 5.8.
///
/// One consumer at a time: the kernel's buffer has one reading position, and while one consumer waits, a second one's
/// sequence ends at once. What the consumer has not asked for yet stays
/// in the kernel's buffer, whose size bounds it and whose programs see when it is full; nothing is dropped on this
/// side. A thread sleeps until there is something to read *and* somebody wants it.
///
/// The sequence ends when the task is cancelled or this value is released.
public final class RingBuffer<Record: BitwiseCopyable & Sendable>: AsyncSequence, Sendable {
    /// What the sequence yields.
    public typealias Element = Record

    private let reader: RingReader

    /// Starts reading a ring buffer.
    ///
    /// - Parameter map: duplicated; the caller keeps its own.
    /// - Throws: ``BPFError`` when the map is no ring buffer or no thread can be made.
    public init(_ map: borrowing Descriptor, name: String) throws {
        reader = try RingReader(map, name: name)
    }

    deinit {
        reader.stop()
    }

    /// Starts another walk over what is in the buffer from now on.
    public func makeAsyncIterator() -> Iterator { Iterator(buffer: self) }

    /// Takes records from the buffer, a batch of them at a time.
    public struct Iterator: AsyncIteratorProtocol {
        private let buffer: RingBuffer
        private var batch: ArraySlice<[UInt8]> = []

        fileprivate init(buffer: RingBuffer) { self.buffer = buffer }

        /// The next record; nil when the task was cancelled.
        ///
        /// - Throws: ``BPFError`` with the code `layout` for a record of another size than `Record` has.
        public mutating func next() async throws -> Record? {
            if batch.isEmpty { batch = await buffer.reader.nextBatch()[...] }
            guard let bytes = batch.popFirst() else { return nil }
            guard bytes.count == MemoryLayout<Record>.size else {
                throw BPFError(
                    .layout, operation: "read", object: "ring buffer \(buffer.reader.name)",
                    message: "a record has \(bytes.count) bytes and \(Record.self) has \(MemoryLayout<Record>.size)")
            }
            return bytes.withUnsafeBytes { $0.loadUnaligned(as: Record.self) }
        }
    }
}

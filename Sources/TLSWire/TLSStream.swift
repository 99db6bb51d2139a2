// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A connection whose handshake is done: records in, bytes out, and the other way round. No I/O, no clock.
///
/// A plain number of a few bytes that refers to memory of its own; whoever has it last calls ``free()``. Used by one
/// thread at a time. Opening and sealing allocate nothing.
public struct TLSStream: BitwiseCopyable, @unchecked Sendable {
    private let parts: UnsafeMutablePointer<StreamParts>

    /// How opening went.
    public enum State: Sendable, Equatable {
        /// All whole records were opened. What of the input was not used is the beginning of another.
        case open
        /// There is no room for the next record's content.
        case wantsRoom
        /// The peer has said that nothing more comes from it.
        case ended
        /// Nothing more can be trusted; ``lastWords(into:)`` has what the peer is told.
        case failed(TLSReason)
    }

    /// What came out of some records.
    public struct Opened: Sendable {
        /// How it went.
        public var state: State
        /// Bytes of the input that were used; the rest has to come again, with more behind it.
        public var consumed: Int
        /// Bytes that were written.
        public var produced: Int
    }

    /// Room beyond its content that a record needs while it is opened.
    public static let slack = 256
    /// Room for the last words.
    public static let lastWordsRoom = 64

    /// The bytes that sealing `count` bytes makes at most.
    public static func sealedSize(_ count: Int) -> Int {
        let records = (count + RecordFrame.largestContent - 1) / RecordFrame.largestContent
        // And a change of keys in front.
        return count + (records + 1) * RecordFrame.overhead + 8
    }

    /// Takes over the session of a handshake that is done.
    init(_ session: OpaquePointer, _ judgement: Judgement) throws(TLSReason) {
        let settings = judgement.settings
        let made: StreamParts
        switch settings.engine {
        case .library:
            made = StreamParts(library: session, settings: Unmanaged.passRetained(settings))
        case .records:
            defer { openssl_session_free(session) }
            guard let engine = RecordEngine(session, settings.role) else { throw .exhausted }
            made = StreamParts(records: engine)
        }
        parts = .allocate(capacity: 1)
        parts.initialize(to: made)
    }

    /// Gives everything back; keys are wiped. The value and its copies must not be used any more.
    public func free() {
        parts.pointee.free()
        parts.deinitialize(count: 1)
        parts.deallocate()
    }

    /// Whether the peer has said that nothing more comes: an end of the connection without it is a truncation.
    public var hasEnded: Bool { parts.pointee.hasEnded }

    /// Opens the whole records at the beginning of `input`. `output` must not overlap it, and gets at most
    /// `output.count` less ``slack`` bytes; a record has up to 16 KiB, so that with less room nothing may come out.
    public func open(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Opened {
        var opened = Opened(state: .open, consumed: 0, produced: 0)
        guard !parts.pointee.hasEnded else {
            // Nothing behind the end counts.
            opened.state = .ended
            opened.consumed = input.count
            return opened
        }
        while opened.state == .open {
            let size: Int
            switch RecordFrame.next(input, at: opened.consumed) {
            case .whole(let count): size = count
            case .partial: return opened
            case .tooLong:
                opened.state = parts.pointee.fail(.recordSize)
                return opened
            case .foreign:
                opened.state = parts.pointee.fail(.malformed)
                return opened
            }
            guard output.count - opened.produced >= size - RecordFrame.header else {
                opened.state = .wantsRoom
                return opened
            }
            let record = UnsafeRawBufferPointer(rebasing: input[opened.consumed..<opened.consumed + size])
            let room = UnsafeMutableRawBufferPointer(rebasing: output[opened.produced...])
            let (state, count) = parts.pointee.open(record, into: room)
            opened.state = state
            opened.produced += count
            opened.consumed += size
        }
        return opened
    }

    /// Seals all of `bytes` into `output`, which has room for ``sealedSize(_:)``.
    ///
    /// - Returns: bytes written; `nil`: it cannot be done, and the connection is over.
    public func seal(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        guard output.count >= Self.sealedSize(bytes.count) else { return nil }
        return parts.pointee.seal(bytes, into: output)
    }

    /// Says that nothing more comes (close_notify), once; `output` has room for ``lastWordsRoom``.
    ///
    /// - Returns: bytes written.
    public func end(into output: UnsafeMutableRawBufferPointer) -> Int {
        guard output.count >= Self.lastWordsRoom else { return 0 }
        return parts.pointee.end(into: output)
    }

    /// What the peer is told after a failure; `output` has room for ``lastWordsRoom``.
    ///
    /// - Returns: bytes written.
    public func lastWords(into output: UnsafeMutableRawBufferPointer) -> Int {
        parts.pointee.takeReply(into: output)
    }

    /// Gives back the buffers of a connection that has nothing to do; they come back by themselves.
    public func rest() { parts.pointee.rest() }
}

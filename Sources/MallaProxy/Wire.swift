// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import Reactor

/// A socket that carries HTTP: what was read from it and not understood yet, and what was written to it and not sent
/// yet. Idle, it holds no memory beside itself.
struct Wire: BitwiseCopyable {
    var socket: Int32
    var state: End.State = []
    /// Whether what is kept of the input was looked at and is no whole head, line or frame: more has to be read first.
    var isStarved = false
    var input = Buffer.none
    var inputCount: Int32 = 0
    var output = Buffer.none
    var outputOffset: Int32 = 0
    var outputCount: Int32 = 0
    /// What protects it, if anything does.
    var protection: UnsafeMutablePointer<Protection>?

    init(socket: Int32) { self.socket = socket }

    /// Whether there may be something to look at.
    var mayRead: Bool {
        (inputCount > 0 && !isStarved) || !state.isDisjoint(with: [.readable, .ended])
    }
}

/// What became of a wire's output.
enum Flushed: BitwiseCopyable {
    /// All of it left.
    case all
    /// The peer takes no more for now: an edge will tell.
    case blocked
    /// The peer is gone.
    case failed
}

extension Worker {
    /// Room that a head needs at most, whatever it is translated to: see ``Worker/wireLimits``.
    static var headRoom: Int { 40 << 10 }

    /// Brings what is kept of the wire's input, and what its socket has behind it, into the scratch area.
    ///
    /// - Parameter limit: bytes wanted altogether.
    /// - Returns: bytes in the scratch area; negative: the errno with which reading failed.
    mutating func fill(_ wire: UnsafeMutablePointer<Wire>, limit: Int) -> Int {
        let kept = Int(wire.pointee.inputCount)
        if kept > 0, let start = wire.pointee.input.start {
            scratch.copyMemory(from: start, byteCount: kept)
            buffers.recycle(&wire.pointee.input)
            wire.pointee.inputCount = 0
        }
        let wanted = min(limit, Self.scratchSize) - kept
        guard wanted > 0, wire.pointee.state.contains(.readable), kept == 0 || wire.pointee.isStarved else {
            return kept
        }
        wire.pointee.isStarved = false
        if let protection = wire.pointee.protection {
            return fillOpened(wire, protection, kept: kept, wanted: wanted)
        }
        let received = Socket.receive(wire.pointee.socket, into: scratch + kept, capacity: wanted)
        guard received > 0 else {
            if received == 0 {
                wire.pointee.state.insert(.ended)
                wire.pointee.state.remove(.readable)
                return kept
            }
            guard received == Int(-EAGAIN) else { return received }
            wire.pointee.state.remove(.readable)
            return kept
        }
        // A short read has emptied the socket, unless the end is to come, whose edge has been told already.
        if received < wanted, !wire.pointee.state.contains(.ending) { wire.pointee.state.remove(.readable) }
        return kept + received
    }

    /// Keeps what stands in the scratch area from `start` up to `end` as the beginning of the wire's next input.
    ///
    /// - Parameter isStarved: whether it was looked at and more is needed.
    mutating func keep(_ wire: UnsafeMutablePointer<Wire>, from start: Int, to end: Int, isStarved: Bool) {
        wire.pointee.isStarved = isStarved && end > start
        guard end > start else { return }
        wire.pointee.input = buffers.keep(scratch + start, count: end - start)
        wire.pointee.inputCount = Int32(end - start)
    }

    /// Bytes that can be written to the wire now.
    func room(_ wire: UnsafeMutablePointer<Wire>) -> Int {
        BufferPool.largest - Int(wire.pointee.outputCount)
    }

    /// Lets `body` write behind what waits for being sent. What does not fit is taken back.
    ///
    /// - Returns: what `body` returned; `nil` when it ran out of room.
    @inline(__always)
    mutating func write<Result>(
        _ wire: UnsafeMutablePointer<Wire>, _ body: (inout ByteWriter) -> Result
    ) -> Result? {
        if !wire.pointee.output.isLargest || wire.pointee.outputOffset != 0 { prepare(wire) }
        let before = Int(wire.pointee.outputCount)
        let memory = UnsafeMutableRawBufferPointer(start: wire.pointee.output.start, count: BufferPool.largest)
        var out = ByteWriter(memory, count: before)
        let result = body(&out)
        let isWhole = !out.overflowed
        if isWhole { wire.pointee.outputCount = Int32(truncatingIfNeeded: out.count) }
        if wire.pointee.outputCount == 0 { forgetOutput(wire) }
        return isWhole ? result : nil
    }

    /// Makes the wire's output a buffer of full size whose bytes begin at its start.
    private mutating func prepare(_ wire: UnsafeMutablePointer<Wire>) {
        let count = Int(wire.pointee.outputCount)
        let offset = Int(wire.pointee.outputOffset)
        if let start = wire.pointee.output.start, buffers.capacity(of: wire.pointee.output) == BufferPool.largest {
            if offset > 0 { memmove(start, start + offset, count) }
        } else {
            let larger = buffers.take(capacity: BufferPool.largest)
            if let from = wire.pointee.output.start, let to = larger.start {
                to.copyMemory(from: from + offset, byteCount: count)
            }
            buffers.recycle(&wire.pointee.output)
            wire.pointee.output = larger
        }
        wire.pointee.outputOffset = 0
    }

    /// Sends what waits. A rest is kept in a buffer that is no larger than it has to be.
    mutating func flush(_ wire: UnsafeMutablePointer<Wire>) -> Flushed {
        if let protection = wire.pointee.protection { return flushSealed(wire, protection) }
        let count = Int(wire.pointee.outputCount)
        guard count > 0, let start = wire.pointee.output.start else {
            endBehind(wire)
            return .all
        }
        guard wire.pointee.state.contains(.writable) else { return .blocked }
        let offset = Int(wire.pointee.outputOffset)
        hasten(wire)
        let sent = Socket.send(wire.pointee.socket, start + offset, count: count)
        guard sent != count else {
            forgetOutput(wire)
            endBehind(wire)
            return .all
        }
        guard sent >= 0 || sent == Int(-EAGAIN) else { return .failed }
        wire.pointee.state.remove(.writable)
        let rest = count - max(0, sent)
        let from = start + offset + max(0, sent)
        if rest <= BufferPool.largest / 4, buffers.capacity(of: wire.pointee.output) == BufferPool.largest {
            let smaller = buffers.keep(from, count: rest)
            buffers.recycle(&wire.pointee.output)
            wire.pointee.output = smaller
            wire.pointee.outputOffset = 0
        } else {
            wire.pointee.outputOffset = Int32(offset + max(0, sent))
        }
        wire.pointee.outputCount = Int32(rest)
        return .blocked
    }

    private func endBehind(_ wire: UnsafeMutablePointer<Wire>) {
        guard wire.pointee.state.contains(.endsBehind) else { return }
        wire.pointee.state.remove(.endsBehind)
        Socket.endWriting(wire.pointee.socket)
    }

    /// Sends `bytes` past the output, which must be empty; what the peer does not take stays the caller's.
    ///
    /// - Returns: how many were sent; -1: the peer is gone.
    mutating func sendStraight(_ wire: UnsafeMutablePointer<Wire>, _ bytes: UnsafeRawPointer, count: Int) -> Int {
        if let protection = wire.pointee.protection { return sealStraight(wire, protection, bytes, count: count) }
        guard wire.pointee.state.contains(.writable) else { return 0 }
        hasten(wire)
        let sent = Socket.send(wire.pointee.socket, bytes, count: count)
        guard sent >= 0 || sent == Int(-EAGAIN) else { return -1 }
        if sent < count { wire.pointee.state.remove(.writable) }
        return max(0, sent)
    }

    /// Gives back what was to be sent.
    mutating func forgetOutput(_ wire: UnsafeMutablePointer<Wire>) {
        buffers.recycle(&wire.pointee.output)
        wire.pointee.outputOffset = 0
        wire.pointee.outputCount = 0
    }

    /// Gives back what was read.
    mutating func forgetInput(_ wire: UnsafeMutablePointer<Wire>) {
        buffers.recycle(&wire.pointee.input)
        wire.pointee.inputCount = 0
        wire.pointee.isStarved = false
    }

    /// Turns off the delay of small segments before the second send; the first is never delayed.
    func hasten(_ wire: UnsafeMutablePointer<Wire>) {
        guard !wire.pointee.state.contains(.prompt) else { return }
        if wire.pointee.state.contains(.used) {
            Socket.sendAtOnce(wire.pointee.socket)
            wire.pointee.state.insert(.prompt)
        }
        wire.pointee.state.insert(.used)
    }

    /// What an event says about a wire.
    static func note(_ readiness: Readiness, _ wire: UnsafeMutablePointer<Wire>) {
        if !readiness.isDisjoint(with: .readable) { wire.pointee.state.insert(.readable) }
        if !readiness.isDisjoint(with: .ending) { wire.pointee.state.insert(.ending) }
        if !readiness.isDisjoint(with: .writable) { wire.pointee.state.insert(.writable) }
    }
}

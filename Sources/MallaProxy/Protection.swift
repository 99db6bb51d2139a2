// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor
import TLSWire

/// What a wire has beside its own when it is protected by TLS. Made with the handshake's stream, freed with the wire.
struct Protection: BitwiseCopyable {
    let stream: TLSStream
    /// What came and was not opened yet: the beginning of a record, or records that there was no room for.
    var received = Buffer.none
    var receivedCount: Int32 = 0
    /// Whether there are whole records among that.
    var hasRecords = false
    /// What was opened and is not wanted yet: a record may hold more than its reader has room for.
    var opened = Buffer.none
    var openedOffset: Int32 = 0
    var openedCount: Int32 = 0
    /// What was sealed and not sent.
    var sealed = Buffer.none
    var sealedOffset: Int32 = 0
    var sealedCount: Int32 = 0
    /// Why nothing more can be read.
    var failure: TLSReason?

    init(_ stream: TLSStream) { self.stream = stream }
}

// Reading and writing wires that are protected: what `Wire.swift` does for the others. Records are opened into the
// scratch area from where they were read, and sealed from the output into where they are sent from.

extension Worker {
    /// What is sealed at a time: with its records' frames it fits into one buffer.
    private static var sealedPortion: Int { 60 << 10 }
    /// What a record has beside its content when it is opened.
    static var openingSlack: Int { 17 }

    /// Protects a wire by a stream, behind whose handshake `rest` was read.
    ///
    /// - Returns: false when more was read than a peer can have sent so early.
    mutating func protect(
        _ wire: UnsafeMutablePointer<Wire>, _ stream: TLSStream, rest: [UInt8]
    ) -> Bool {
        let protection = UnsafeMutablePointer<Protection>.allocate(capacity: 1)
        protection.initialize(to: Protection(stream))
        wire.pointee.protection = protection
        guard rest.count <= BufferPool.largest else { return false }
        rest.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, bytes.count > 0 else { return }
            protection.pointee.received = buffers.keep(start, count: bytes.count)
            protection.pointee.receivedCount = Int32(bytes.count)
            protection.pointee.hasRecords = true
        }
        return true
    }

    /// Gives back all that protects a wire.
    mutating func unprotect(_ wire: UnsafeMutablePointer<Wire>) {
        guard let protection = wire.pointee.protection else { return }
        buffers.recycle(&protection.pointee.received)
        buffers.recycle(&protection.pointee.opened)
        buffers.recycle(&protection.pointee.sealed)
        protection.pointee.stream.free()
        protection.deallocate()
        wire.pointee.protection = nil
    }

    /// ``fill(_:limit:)`` of a protected wire: `kept` bytes of its input stand in the scratch area already, and up to
    /// `wanted` more are asked for.
    mutating func fillOpened(
        _ wire: UnsafeMutablePointer<Wire>, _ protection: UnsafeMutablePointer<Protection>, kept: Int, wanted: Int
    ) -> Int {
        if let portion = takeOpened(protection, to: scratch + kept, wanted) { return kept + portion }
        var count = Int(protection.pointee.receivedCount)
        if count > 0, let start = protection.pointee.received.start {
            cipher.copyMemory(from: start, byteCount: count)
            buffers.recycle(&protection.pointee.received)
            protection.pointee.receivedCount = 0
        }
        var isDrained = false
        if !protection.pointee.hasRecords {
            let capacity = BufferPool.largest - count
            let received = Socket.receive(wire.pointee.socket, into: cipher + count, capacity: capacity)
            guard received > 0 else {
                keepReceived(protection, from: 0, to: count)
                wire.pointee.state.remove(.readable)
                if received == Int(-EAGAIN) { return kept }
                if received == 0 { protection.pointee.failure = .truncated }
                return received == 0 ? Int(-EPROTO) : received
            }
            isDrained = received < capacity && !wire.pointee.state.contains(.ending)
            count += received
        }
        let output = UnsafeMutableRawBufferPointer(
            start: scratch + kept, count: Self.scratchSize - kept + Self.openingSlack)
        let opened = protection.pointee.stream.open(UnsafeRawBufferPointer(start: cipher, count: count), into: output)
        keepReceived(protection, from: opened.consumed, to: count)
        protection.pointee.hasRecords = false
        switch opened.state {
        case .open: break
        case .wantsRoom: protection.pointee.hasRecords = true
        case .ended:
            wire.pointee.state.insert(.ended)
            isDrained = true
        case .failed(let reason):
            protection.pointee.failure = reason
            let words = protection.pointee.stream.lastWords(
                into: UnsafeMutableRawBufferPointer(start: cipher, count: TLSStream.lastWordsRoom))
            if words > 0, protection.pointee.sealedCount == 0 {
                _ = Socket.send(wire.pointee.socket, cipher, count: words)
            }
            return Int(-EPROTO)
        }
        let surplus = opened.produced - wanted
        if surplus > 0 {
            protection.pointee.opened = buffers.keep(scratch + kept + wanted, count: surplus)
            protection.pointee.openedOffset = 0
            protection.pointee.openedCount = Int32(surplus)
        } else if isDrained, !protection.pointee.hasRecords {
            wire.pointee.state.remove(.readable)
        }
        return kept + min(opened.produced, wanted)
    }

    /// Takes what was opened before; `nil` when there is nothing.
    private mutating func takeOpened(
        _ protection: UnsafeMutablePointer<Protection>, to place: UnsafeMutableRawPointer, _ wanted: Int
    ) -> Int? {
        let count = Int(protection.pointee.openedCount)
        guard count > 0, let start = protection.pointee.opened.start else { return nil }
        let portion = min(count, wanted)
        place.copyMemory(from: start + Int(protection.pointee.openedOffset), byteCount: portion)
        protection.pointee.openedOffset += Int32(portion)
        protection.pointee.openedCount -= Int32(portion)
        if portion == count { buffers.recycle(&protection.pointee.opened) }
        return portion
    }

    private mutating func keepReceived(
        _ protection: UnsafeMutablePointer<Protection>, from start: Int, to end: Int
    ) {
        guard end > start else { return }
        protection.pointee.received = buffers.keep(cipher + start, count: end - start)
        protection.pointee.receivedCount = Int32(end - start)
    }

    /// ``flush(_:)`` of a protected wire.
    mutating func flushSealed(
        _ wire: UnsafeMutablePointer<Wire>, _ protection: UnsafeMutablePointer<Protection>
    ) -> Flushed {
        while true {
            if protection.pointee.sealedCount > 0 {
                let sent = sendSealed(wire, protection)
                guard sent == .all else { return sent }
            }
            let count = Int(wire.pointee.outputCount)
            guard count > 0, let start = wire.pointee.output.start else { return endSealed(wire, protection) }
            guard wire.pointee.state.contains(.writable) else { return .blocked }
            let portion = min(count, Self.sealedPortion)
            let bytes = UnsafeRawBufferPointer(start: start + Int(wire.pointee.outputOffset), count: portion)
            guard sealAndSend(wire, protection, bytes) else { return .failed }
            wire.pointee.outputOffset += Int32(portion)
            wire.pointee.outputCount -= Int32(portion)
            if portion == count { forgetOutput(wire) }
        }
    }

    /// ``sendStraight(_:_:count:)`` of a protected wire.
    mutating func sealStraight(
        _ wire: UnsafeMutablePointer<Wire>, _ protection: UnsafeMutablePointer<Protection>, _ bytes: UnsafeRawPointer,
        count: Int
    ) -> Int {
        guard wire.pointee.state.contains(.writable), protection.pointee.sealedCount == 0 else { return 0 }
        let portion = min(count, Self.sealedPortion)
        let isSent = sealAndSend(wire, protection, UnsafeRawBufferPointer(start: bytes, count: portion))
        return isSent ? portion : -1
    }

    /// Seals bytes and sends what the peer takes; the rest is kept. Nothing may be kept already.
    private mutating func sealAndSend(
        _ wire: UnsafeMutablePointer<Wire>, _ protection: UnsafeMutablePointer<Protection>,
        _ bytes: UnsafeRawBufferPointer
    ) -> Bool {
        let output = UnsafeMutableRawBufferPointer(start: cipher, count: Self.cipherSize)
        guard let size = protection.pointee.stream.seal(bytes, into: output) else {
            protection.pointee.failure = .failed
            return false
        }
        hasten(wire)
        let sent = Socket.send(wire.pointee.socket, cipher, count: size)
        guard sent != size else { return true }
        guard sent >= 0 || sent == Int(-EAGAIN) else { return false }
        wire.pointee.state.remove(.writable)
        let rest = size - max(0, sent)
        protection.pointee.sealed = buffers.keep(cipher + max(0, sent), count: rest)
        protection.pointee.sealedOffset = 0
        protection.pointee.sealedCount = Int32(rest)
        return true
    }

    private mutating func sendSealed(
        _ wire: UnsafeMutablePointer<Wire>, _ protection: UnsafeMutablePointer<Protection>
    ) -> Flushed {
        guard wire.pointee.state.contains(.writable), let start = protection.pointee.sealed.start else {
            return .blocked
        }
        let count = Int(protection.pointee.sealedCount)
        let sent = Socket.send(wire.pointee.socket, start + Int(protection.pointee.sealedOffset), count: count)
        guard sent >= 0 || sent == Int(-EAGAIN) else { return .failed }
        guard sent == count else {
            protection.pointee.sealedOffset += Int32(max(0, sent))
            protection.pointee.sealedCount -= Int32(max(0, sent))
            wire.pointee.state.remove(.writable)
            return .blocked
        }
        buffers.recycle(&protection.pointee.sealed)
        protection.pointee.sealedCount = 0
        return .all
    }

    /// All was sent: says the end where there is to be one, by close_notify.
    private mutating func endSealed(
        _ wire: UnsafeMutablePointer<Wire>, _ protection: UnsafeMutablePointer<Protection>
    ) -> Flushed {
        guard wire.pointee.state.contains(.endsBehind) else { return .all }
        wire.pointee.state.remove(.endsBehind)
        let size = protection.pointee.stream.end(
            into: UnsafeMutableRawBufferPointer(start: cipher, count: TLSStream.lastWordsRoom))
        if size > 0 { _ = Socket.send(wire.pointee.socket, cipher, count: size) }
        Socket.endWriting(wire.pointee.socket)
        return .all
    }
}

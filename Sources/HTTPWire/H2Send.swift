// SPDX-License-Identifier: Apache-2.0

extension H2Connection {
    // MARK: What the owner of a connection does

    /// Opens a stream for a request whose head is written next (client role); `nil` when none can be opened now.
    public mutating func openStream(_ request: RequestFacts, tag: UInt64) -> H2StreamHandle? {
        guard mayOpen() else { return nil }
        let slot = open(nextID)
        nextID += 2
        selfOpened += 1
        windowUpdates.earn(4)
        streams[slot].request = request
        streams[slot].tag = tag
        return streams.handle(slot)
    }

    /// `count` bytes of a stream's content have left towards their receiver, or were given up: the peer may send as
    /// many more. Every byte that was told by ``H2Event/data(_:_:endStream:)`` is reported once.
    ///
    /// - Returns: false when `out` has less than 26 bytes of room: then nothing changed, and the call is due again.
    public mutating func passedOn(_ handle: H2StreamHandle, _ count: Int, into out: inout ByteWriter) -> Bool {
        guard count > 0, phase != .failed else { return true }
        guard out.room >= 26 else { return false }
        grant(Int64(count), slot: streams.slot(handle), into: &out)
        return true
    }

    /// `count` bytes of content are kept here, outside of the connection's account: the peer may send as many more on other
    /// streams. Their own stream waits for ``drained(_:_:into:)``; without that pair, call ``passedOn(_:_:into:)`` alone.
    ///
    /// - Returns: false when `out` has less than 26 bytes of room: then nothing changed, and the call is due again.
    public mutating func keptAside(_ count: Int, into out: inout ByteWriter) -> Bool {
        guard count > 0, phase != .failed else { return true }
        guard out.room >= 26 else { return false }
        grant(Int64(count), into: &out)
        return true
    }

    /// `count` bytes that were kept aside have left towards their receiver.
    ///
    /// - Returns: as ``passedOn(_:_:into:)``.
    public mutating func drained(_ handle: H2StreamHandle, _ count: Int, into out: inout ByteWriter) -> Bool {
        guard count > 0, phase != .failed, let slot = streams.slot(handle) else { return true }
        guard out.room >= 26 else { return false }
        grantStream(Int64(count), slot: slot, into: &out)
        return true
    }

    /// Content that may be sent on a stream now, as far as the windows go.
    public mutating func allowance(_ handle: H2StreamHandle) -> Int {
        guard let slot = streams.slot(handle) else { return 0 }
        return Int(max(0, min(streams[slot].sendWindow, sendWindow)))
    }

    /// Writes as much of `content` as windows and room allow, in frames, and END_STREAM behind the last of it.
    ///
    /// What was not taken stays with the owner, who goes on when ``nextWritable()`` names the stream.
    ///
    /// - Returns: how many bytes were taken; all of them when the stream is gone, since nobody wants them.
    public mutating func write(
        _ content: Span<UInt8>, endStream: Bool, on handle: H2StreamHandle, into out: inout ByteWriter
    ) -> Int {
        guard phase != .failed, let slot = streams.slot(handle), !streams[slot].flags.contains(.localEnd) else {
            return content.count
        }
        if content.count > 0, out.room >= H2Frame.headerLength + content.count, content.count <= peerFrame,
            Int64(content.count) <= min(streams[slot].sendWindow, sendWindow)
        {
            writeData(content, endStream, slot, into: &out)
            if endStream { endLocal(slot) } else { calm(slot) }
            return content.count
        }
        return writePieces(content, endStream: endStream, slot, into: &out)
    }

    /// The same where not all of it may go in one frame.
    private mutating func writePieces(
        _ content: Span<UInt8>, endStream: Bool, _ slot: Int, into out: inout ByteWriter
    ) -> Int {
        var taken = 0
        while true {
            let left = content.count - taken
            let window = Int(max(0, min(streams[slot].sendWindow, sendWindow)))
            let room = out.room - H2Frame.headerLength
            let length = min(left, window, peerFrame, room)
            let isLast = length == left
            if length < 0 || length == 0 && !(isLast && endStream) {
                if left > 0 || endStream { wait(slot) }
                return taken
            }
            let ends = isLast && endStream
            writeData(content.extracting(taken..<taken + length), ends, slot, into: &out)
            taken += length
            if ends { endLocal(slot) }
            if isLast {
                if !ends { calm(slot) }
                return taken
            }
        }
    }

    /// Writes a DATA frame that windows and room allow.
    @inline(__always)
    private mutating func writeData(_ content: Span<UInt8>, _ ends: Bool, _ slot: Int, into out: inout ByteWriter) {
        let flags = ends ? H2Frame.Flag.endStream : 0
        H2Frame.write(content.count, H2Frame.Kind.data, flags, streams[slot].id, into: &out)
        out.append(content)
        streams[slot].sendWindow -= Int64(content.count)
        sendWindow -= Int64(content.count)
        controls.earn(1)
        windowUpdates.earn(20)
    }

    /// The owner has content for a stream and stopped reading it, since ``allowance(_:)`` or the output gave no room:
    /// ``nextWritable()`` names the stream when there is.
    public mutating func awaitRoom(_ handle: H2StreamHandle) {
        guard let slot = streams.slot(handle), !streams[slot].flags.contains(.localEnd) else { return }
        wait(slot)
    }

    /// Whether ``nextWritable()`` would name a stream.
    public var hasWritable: Bool {
        mutating get { phase != .failed && sendWindow > 0 && streams.hasListed }
    }

    /// A stream that waited and whose windows are open: the next one in turn. Write to it or it is forgotten.
    ///
    /// Call when the output has room, until it has none or there is none.
    public mutating func nextWritable() -> H2StreamHandle? {
        guard phase != .failed, sendWindow > 0, let slot = streams.popListed() else { return nil }
        streams[slot].flags.remove(.waits)
        return streams.handle(slot)
    }

    /// Gives up a stream. Nothing happens when it is gone already.
    public mutating func reset(_ handle: H2StreamHandle, _ code: H2ErrorCode, into out: inout ByteWriter) {
        guard phase != .failed, let slot = streams.slot(handle) else { return }
        writeReset(handle.id, code, into: &out)
        close(slot, late: true)
    }

    /// Asks the peer for a sign of life, or how long it takes: ``H2Event/pong(_:)`` brings `payload` back.
    public mutating func ping(_ payload: UInt64, into out: inout ByteWriter) {
        guard phase != .failed else { return }
        controls.earn(1)
        H2Frame.write(8, H2Frame.Kind.ping, 0, 0, into: &out)
        out.append(bigEndian: payload, width: 8)
    }

    /// Tells the peer to open no more streams; those that it opened before it heard are still served.
    ///
    /// Call ``finishDrain(into:)`` about one round trip later.
    public mutating func drain(into out: inout ByteWriter) {
        guard phase != .failed, !isDraining else { return }
        isDraining = true
        drainLimit = role == .server ? 0x7fff_ffff : 0
        writeGoAway(drainLimit, .noError, into: &out)
    }

    /// Names the last stream that is served; later ones are refused.
    public mutating func finishDrain(into out: inout ByteWriter) {
        guard phase != .failed, isDraining, role == .server else { return }
        drainLimit = highestPeer
        writeGoAway(highestPeer, .noError, into: &out)
    }

    /// Ends the connection at once.
    public mutating func close(_ code: H2ErrorCode, into out: inout ByteWriter) {
        guard phase != .failed else { return }
        phase = .failed
        writeGoAway(highestPeer, code, into: &out)
    }

    /// The owner has more for the stream than the windows or the output allow.
    private mutating func wait(_ slot: Int) {
        streams[slot].flags.insert(.waits)
        if streams[slot].sendWindow > 0 { streams.list(slot) }
    }

    private mutating func calm(_ slot: Int) {
        streams[slot].flags.remove(.waits)
        streams.unlist(slot)
    }
}

// SPDX-License-Identifier: Apache-2.0

extension H2Connection {
    /// Room in the output without which nothing is read: one step writes no more than this.
    public static var replyRoom: Int { 128 }

    /// The next event, and how many bytes of `input` it consumed; hand over the rest again with what follows.
    ///
    /// Replies (acknowledgements, resets, GOAWAY) go into `out`. Heads are read into `arena` and `fields`.
    public mutating func next(
        _ input: Span<UInt8>, arena: inout HeadArena, fields: inout FieldTable, into out: inout ByteWriter
    ) -> (event: H2Event, consumed: Int) {
        if phase == .preface {
            let length = H2Frame.preface.utf8CodeUnitCount
            for index in 0..<min(length, input.count) where input[index] != H2Frame.preface.utf8Start[index] {
                return (fail(.h2BadPreface, into: &out), 0)
            }
            guard input.count >= length else { return (.incomplete, 0) }
            phase = .settings
            return (.incomplete, length)
        }
        if phase == .failed { return (.incomplete, 0) }
        if dataLeft > 0 || paddingLeft > 0 || skipLeft > 0 { return continueFrame(input) }
        guard input.count >= H2Frame.headerLength else { return (.incomplete, 0) }
        guard out.room >= Self.replyRoom else { return (.outputFull, 0) }
        let frame = H2Frame(input, at: 0)
        if !isPlain(frame), let reason = misplacement(frame) { return (fail(reason, into: &out), 0) }
        if frame.kind == H2Frame.Kind.data { return beginData(frame, input, into: &out) }
        if frame.kind > H2Frame.Kind.continuation {
            guard emptyFrames.spend() else { return (fail(.h2EmptyFrameFlood, into: &out), 0) }
            skipLeft = frame.length
            return (.incomplete, H2Frame.headerLength)
        }
        let length = H2Frame.headerLength + frame.length
        guard input.count >= length else { return (.incomplete, 0) }
        let payload = input.extracting(H2Frame.headerLength..<length)
        let event: H2Event
        switch frame.kind {
        case H2Frame.Kind.headers where frame.isWholeHead:
            event = readBlock(payload, frame.stream, frame.flags, arena: &arena, fields: &fields, into: &out)
        case H2Frame.Kind.headers:
            event = readHeaders(frame, payload, arena: &arena, fields: &fields, into: &out)
        case H2Frame.Kind.continuation:
            event = readContinuation(frame, payload, arena: &arena, fields: &fields, into: &out)
        case H2Frame.Kind.priority: event = readPriority(frame, payload, into: &out)
        case H2Frame.Kind.reset: event = readReset(frame, payload, into: &out)
        case H2Frame.Kind.settings: event = readSettings(frame, payload, into: &out)
        case H2Frame.Kind.ping: event = readPing(frame, payload, into: &out)
        case H2Frame.Kind.goAway: event = readGoAway(frame, payload, into: &out)
        case H2Frame.Kind.windowUpdate: event = readWindowUpdate(frame, payload, into: &out)
        default: event = fail(.h2Protocol, into: &out)  // PUSH_PROMISE, which SETTINGS forbade or a client may not send
        }
        return (event, length)
    }

    /// Whether nothing is wrong with the header of DATA or HEADERS: what most frames are.
    @inline(__always)
    private mutating func isPlain(_ frame: H2Frame) -> Bool {
        frame.kind <= H2Frame.Kind.headers && frame.stream != 0 && phase == .open && frame.length <= 16_384
            && !block.isOpen
    }

    /// What a frame's header alone shows to be wrong.
    private mutating func misplacement(_ frame: H2Frame) -> WireReason? {
        if phase == .settings, frame.kind != H2Frame.Kind.settings || frame.has(H2Frame.Flag.acknowledge) {
            return .h2BadPreface
        }
        if frame.length > h2.frame { return .h2FrameSize }
        // All others than DATA are read whole, so that they have to be of a size that fits in somewhere.
        if frame.length > 16_384, frame.length > h2.headerBlock, frame.kind != H2Frame.Kind.data,
            frame.kind <= H2Frame.Kind.continuation
        {
            return .h2FrameSize
        }
        if block.isOpen != (frame.kind == H2Frame.Kind.continuation) { return .h2Protocol }
        switch frame.kind {
        case H2Frame.Kind.settings, H2Frame.Kind.ping, H2Frame.Kind.goAway:
            return frame.stream == 0 ? nil : .h2Protocol
        case H2Frame.Kind.data, H2Frame.Kind.headers, H2Frame.Kind.priority, H2Frame.Kind.reset,
            H2Frame.Kind.continuation:
            return frame.stream != 0 ? nil : .h2Protocol
        default: return nil
        }
    }

    // MARK: DATA

    /// A DATA frame's header: all of its length counts against both windows at once.
    private mutating func beginData(
        _ frame: H2Frame, _ input: Span<UInt8>, into out: inout ByteWriter
    ) -> (H2Event, Int) {
        var consumed = H2Frame.headerLength
        var padding = 0
        if frame.has(H2Frame.Flag.padded) {
            guard frame.length > 0 else { return (fail(.h2FrameSize, into: &out), 0) }
            guard input.count > consumed else { return (.incomplete, 0) }
            padding = Int(input[consumed])
            guard padding < frame.length else { return (fail(.h2Protocol, into: &out), 0) }
            consumed += 1
        }
        let overhead = consumed - H2Frame.headerLength + padding
        let content = frame.length - overhead
        let ends = frame.has(H2Frame.Flag.endStream)
        guard Int64(frame.length) <= receiveWindow else { return (fail(.h2FlowControl, into: &out), 0) }
        receiveWindow -= Int64(frame.length)
        if content > 0 || ends {
            controls.earn(1)
            emptyFrames.earn(1)
        } else if !emptyFrames.spend() {
            return (fail(.h2EmptyFrameFlood, into: &out), 0)
        }
        guard let slot = streams.find(frame.stream) else {
            // Nobody will pass this on, so the connection's window is given back at once.
            skipLeft = frame.length - (consumed - H2Frame.headerLength)
            grant(Int64(frame.length), into: &out)
            return (lateData(frame, into: &out), consumed)
        }
        if let reason = refusal(of: content, ends: ends, frame, slot) {
            skipLeft = frame.length - (consumed - H2Frame.headerLength)
            grant(Int64(frame.length), into: &out)
            return (resetStream(slot, reason, into: &out), consumed)
        }
        streams[slot].receiveWindow -= Int64(frame.length)
        if overhead > 0 { grant(Int64(overhead), slot: ends ? nil : slot, into: &out) }
        dataLeft = content
        paddingLeft = padding
        dataSlot = slot
        dataEnds = ends
        if content == 0 { return (ends ? endOfData(consumed..<consumed) : .incomplete, consumed) }
        let length = min(content, input.count - consumed)
        if length == 0 { return (.incomplete, consumed) }
        dataLeft = content - length
        let range = consumed..<consumed + length
        if dataLeft == 0, ends { return (endOfData(range), range.upperBound) }
        return (.data(streams.handle(dataSlot), range, endStream: false), range.upperBound)
    }

    /// Why a DATA frame may not be on its stream; otherwise it is counted against the announced length.
    @inline(__always)
    private mutating func refusal(of content: Int, ends: Bool, _ frame: H2Frame, _ slot: Int) -> WireReason? {
        if streams[slot].flags.contains(.remoteEnd) { return .h2StreamClosed }
        if !streams[slot].flags.contains(.hasHead) { return .h2Protocol }
        if Int64(frame.length) > streams[slot].receiveWindow { return .h2FlowControl }
        if streams[slot].flags.contains(.hasLength) {
            guard UInt64(content) <= streams[slot].remaining else { return .h2LengthMismatch }
            streams[slot].remaining -= UInt64(content)
            if ends, streams[slot].remaining > 0 { return .h2LengthMismatch }
        }
        return nil
    }

    /// DATA on a stream that has no record any more, or never had one.
    private mutating func lateData(_ frame: H2Frame, into out: inout ByteWriter) -> H2Event {
        guard wasOpened(frame.stream) else { return fail(.h2Protocol, into: &out) }
        if closed.fate(frame.stream) == .reset { return .incomplete }
        guard resets.spend() else { return fail(.h2ResetFlood, into: &out) }
        writeReset(frame.stream, .streamClosed, into: &out)
        return .incomplete
    }

    /// The rest of a frame whose header was read before.
    private mutating func continueFrame(_ input: Span<UInt8>) -> (H2Event, Int) {
        if skipLeft > 0 {
            let length = min(skipLeft, input.count)
            skipLeft -= length
            return (.incomplete, length)
        }
        if dataLeft > 0 {
            let length = min(dataLeft, input.count)
            guard length > 0 else { return (.incomplete, 0) }
            dataLeft -= length
            if dataLeft == 0, dataEnds { return (endOfData(0..<length), length) }
            // The owner may have reset the stream in the middle of the frame; what remains is told all the same, so
            // that it is counted as passed on.
            return (.data(streams.handle(dataSlot), 0..<length, endStream: false), length)
        }
        let length = min(paddingLeft, input.count)
        paddingLeft -= length
        return (.incomplete, length)
    }

    @inline(__always)
    private mutating func endOfData(_ range: Range<Int>) -> H2Event {
        dataEnds = false
        let handle = streams.handle(dataSlot)
        endRemote(dataSlot)
        return .data(handle, range, endStream: true)
    }
}

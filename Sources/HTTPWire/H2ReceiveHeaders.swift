// SPDX-License-Identifier: Apache-2.0

extension H2Connection {
    // MARK: HEADERS and CONTINUATION

    mutating func readHeaders(
        _ frame: H2Frame, _ payload: Span<UInt8>, arena: inout HeadArena, fields: inout FieldTable,
        into out: inout ByteWriter
    ) -> H2Event {
        var start = 0
        var end = payload.count
        if frame.has(H2Frame.Flag.padded) {
            guard end > 0 else { return fail(.h2FrameSize, into: &out) }
            start = 1
            guard Int(payload[0]) < end else { return fail(.h2Protocol, into: &out) }
            end -= Int(payload[0])
        }
        if frame.has(H2Frame.Flag.priority) {
            guard start + 5 <= end else { return fail(.h2FrameSize, into: &out) }
            // Priorities are ignored, apart from this one that cannot be meant (RFC 7540 §5.3.1).
            if H2Frame.number(payload, at: start) & 0x7fff_ffff == frame.stream { return fail(.h2Protocol, into: &out) }
            start += 5
        }
        let fragment = payload.extracting(start..<end)
        if frame.has(H2Frame.Flag.endHeaders) {
            return readBlock(fragment, frame.stream, frame.flags, arena: &arena, fields: &fields, into: &out)
        }
        guard fragment.count <= h2.headerBlock else { return fail(.h2HeadTooLarge, into: &out) }
        block.isOpen = true
        block.stream = frame.stream
        block.flags = frame.flags
        block.frames = 0
        block.bytes.reserveCapacity(fragment.count)
        for index in 0..<fragment.count { block.bytes.append(fragment[index]) }
        return .incomplete
    }

    mutating func readContinuation(
        _ frame: H2Frame, _ payload: Span<UInt8>, arena: inout HeadArena, fields: inout FieldTable,
        into out: inout ByteWriter
    ) -> H2Event {
        guard frame.stream == block.stream else { return fail(.h2Protocol, into: &out) }
        block.frames += 1
        guard block.frames <= h2.continuations else { return fail(.h2ContinuationFlood, into: &out) }
        guard block.bytes.count + payload.count <= h2.headerBlock else { return fail(.h2HeadTooLarge, into: &out) }
        for index in 0..<payload.count { block.bytes.append(payload[index]) }
        guard frame.has(H2Frame.Flag.endHeaders) else { return .incomplete }
        let whole = block.bytes
        let flags = block.flags
        block = H2HeaderBlock()
        return readBlock(whole.span, frame.stream, flags, arena: &arena, fields: &fields, into: &out)
    }

    /// A whole header block. It is decoded before anything else is judged: later blocks depend on it.
    mutating func readBlock(
        _ bytes: Span<UInt8>, _ id: UInt32, _ flags: UInt8, arena: inout HeadArena, fields: inout FieldTable,
        into out: inout ByteWriter
    ) -> H2Event {
        var reason: WireReason?
        switch decoder.decode(bytes, rules: rules, arena: &arena, fields: &fields) {
        case .decoded: break
        case .malformed(let fault): reason = fault
        case .tooLarge: reason = .h2HeadTooLarge
        case .lost: return fail(.h2Compression, into: &out)
        }
        let endStream = flags & H2Frame.Flag.endStream != 0
        if role == .server, !wasOpened(id) {
            controls.earn(1)
            emptyFrames.earn(1)
            return openRequest(id, reason, endStream: endStream, &arena, &fields, into: &out)
        }
        guard let slot = streams.find(id) else { return lateHeaders(id, into: &out) }
        controls.earn(1)
        emptyFrames.earn(1)
        let state = streams[slot].flags
        if state.contains(.remoteEnd) { return resetStream(slot, .h2StreamClosed, into: &out) }
        if let reason { return resetStream(slot, reason, into: &out) }
        if state.contains(.hasHead) {
            return readTrailers(slot, endStream: endStream, &fields, arena.bytes.span, into: &out)
        }
        return readResponse(slot, endStream: endStream, &arena, &fields, into: &out)
    }

    @inline(__always)
    private mutating func openRequest(
        _ id: UInt32, _ fault: WireReason?, endStream: Bool, _ arena: inout HeadArena, _ fields: inout FieldTable,
        into out: inout ByteWriter
    ) -> H2Event {
        guard id & 1 == 1 else { return fail(.h2Protocol, into: &out) }
        highestPeer = id
        windowUpdates.earn(4)
        if isDraining && id > drainLimit || peerOpened >= h2.concurrentStreams {
            return refuse(id, .h2TooManyStreams, into: &out)
        }
        if let fault { return refuse(id, fault, into: &out) }
        // The arena's bytes stay where they are while its head is filled in.
        let storage = arena.bytes
        if let reason = H2HeadReader.request(
            &arena.request, &fields, in: storage.span, endStream: endStream, rules: rules,
            extendedConnect: h2.extendedConnect)
        {
            return refuse(id, reason, into: &out)
        }
        let slot = open(id)
        peerOpened += 1
        streams[slot].begin(arena.request, endStream: endStream)
        return .request(streams.handle(slot), endStream: endStream)
    }

    private mutating func readResponse(
        _ slot: Int, endStream: Bool, _ arena: inout HeadArena, _ fields: inout FieldTable,
        into out: inout ByteWriter
    ) -> H2Event {
        let request = streams[slot].request
        let storage = arena.bytes
        if let reason = H2HeadReader.response(
            &arena.response, &fields, in: storage.span, to: request, endStream: endStream)
        {
            return resetStream(slot, reason, into: &out)
        }
        if arena.response.isInterim {
            streams[slot].interim += 1
            guard Int(streams[slot].interim) <= rules.interim else {
                return resetStream(slot, .httpTooManyInterim, into: &out)
            }
            return .interim(streams.handle(slot))
        }
        let isTunnel = request.method == .connect && arena.response.status < 300
        let hasNone =
            arena.response.flags.contains(.noContent) || arena.response.framing == .none && !isTunnel
        streams[slot].expect(hasNone ? .length(0) : arena.response.framing)
        let handle = streams.handle(slot)
        if endStream { endRemote(slot) }
        return .response(handle, endStream: endStream)
    }

    private mutating func readTrailers(
        _ slot: Int, endStream: Bool, _ fields: inout FieldTable, _ text: Span<UInt8>, into out: inout ByteWriter
    ) -> H2Event {
        guard endStream else { return resetStream(slot, .h2BadTrailers, into: &out) }
        if let reason = H2HeadReader.trailers(&fields, in: text) { return resetStream(slot, reason, into: &out) }
        if streams[slot].flags.contains(.hasLength), streams[slot].remaining > 0 {
            return resetStream(slot, .h2LengthMismatch, into: &out)
        }
        let handle = streams.handle(slot)
        endRemote(slot)
        return .trailers(handle)
    }

    /// HEADERS for a stream without a record.
    private mutating func lateHeaders(_ id: UInt32, into out: inout ByteWriter) -> H2Event {
        guard wasOpened(id) else { return fail(.h2Protocol, into: &out) }
        switch closed.fate(id) {
        // One for each stream that was given up may have been on its way.
        case .reset: return emptyFrames.spend() ? .incomplete : fail(.h2EmptyFrameFlood, into: &out)
        case .ended: return fail(.h2StreamClosed, into: &out)
        case .forgotten: return fail(.h2Protocol, into: &out)
        }
    }

    /// Turns away a request that never becomes a stream.
    private mutating func refuse(_ id: UInt32, _ reason: WireReason, into out: inout ByteWriter) -> H2Event {
        guard resets.spend() else { return fail(.h2ResetFlood, into: &out) }
        writeReset(id, reason.h2Code, into: &out)
        closed.note(id, late: true)
        return .refused(id: id, reason)
    }
}

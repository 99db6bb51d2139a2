// SPDX-License-Identifier: Apache-2.0

extension H2Connection {
    // MARK: Frames that speak about streams and the connection

    /// PRIORITY is checked and ignored (RFC 9113 §5.3).
    mutating func readPriority(_ frame: H2Frame, _ payload: Span<UInt8>, into out: inout ByteWriter) -> H2Event {
        guard emptyFrames.spend() else { return fail(.h2EmptyFrameFlood, into: &out) }
        let isWhole = payload.count == 5
        if isWhole, H2Frame.number(payload, at: 0) & 0x7fff_ffff != frame.stream { return .incomplete }
        let reason: WireReason = isWhole ? .h2Protocol : .h2FrameSize
        guard let slot = streams.find(frame.stream) else { return fail(reason, into: &out) }
        return resetStream(slot, reason, into: &out)
    }

    mutating func readReset(_ frame: H2Frame, _ payload: Span<UInt8>, into out: inout ByteWriter) -> H2Event {
        guard payload.count == 4 else { return fail(.h2FrameSize, into: &out) }
        guard wasOpened(frame.stream) else { return fail(.h2Protocol, into: &out) }
        guard let slot = streams.find(frame.stream) else {
            guard emptyFrames.spend() else { return fail(.h2EmptyFrameFlood, into: &out) }
            return .incomplete
        }
        let code = H2ErrorCode(rawValue: H2Frame.number(payload, at: 0))
        let handle = streams.handle(slot)
        // A server that has answered and needs no more of the request says so by NO_ERROR; that is no trouble.
        let isTrouble = !(role == .client && code == .noError)
        close(slot, late: false)
        if isTrouble, !resets.spend() { return fail(.h2ResetFlood, into: &out) }
        return .reset(handle, code == .refusedStream ? .h2PeerRefused : .h2PeerReset, code)
    }

    mutating func readSettings(_ frame: H2Frame, _ payload: Span<UInt8>, into out: inout ByteWriter) -> H2Event {
        guard controls.spend() else { return fail(.h2ControlFlood, into: &out) }
        if frame.has(H2Frame.Flag.acknowledge) {
            guard payload.count == 0 else { return fail(.h2FrameSize, into: &out) }
            isAcknowledged = true
            return .incomplete
        }
        guard payload.count % 6 == 0 else { return fail(.h2FrameSize, into: &out) }
        guard payload.count <= 6 * 64 else { return fail(.h2ControlFlood, into: &out) }
        phase = .open
        var offset = 0
        while offset < payload.count {
            let name = UInt16(payload[offset]) << 8 | UInt16(payload[offset + 1])
            if let reason = apply(name, H2Frame.number(payload, at: offset + 2)) { return fail(reason, into: &out) }
            offset += 6
        }
        H2Frame.write(0, H2Frame.Kind.settings, H2Frame.Flag.acknowledge, 0, into: &out)
        return .settings
    }

    private mutating func apply(_ name: UInt16, _ value: UInt32) -> WireReason? {
        switch name {
        case H2Setting.enablePush:
            guard value == 0 || value == 1 && role == .server else { return .h2BadSetting }
        case H2Setting.maxConcurrentStreams:
            peerStreams = Int(min(value, 1 << 20))
        case H2Setting.initialWindowSize:
            guard value <= 0x7fff_ffff else { return .h2FlowControl }
            let change = Int64(value) - peerWindow
            peerWindow = Int64(value)
            if change == 0 { return nil }
            for slot in streams.slots where streams[slot].id != 0 {
                if !widen(slot, by: change) { return .h2FlowControl }
            }
        case H2Setting.maxFrameSize:
            guard value >= 16_384, value < 1 << 24 else { return .h2BadSetting }
            peerFrame = Int(min(value, 1 << 20))
        case H2Setting.enableConnectProtocol:
            guard value <= 1, value == 1 || !peerTakesExtendedConnect else { return .h2BadSetting }
            peerTakesExtendedConnect = value == 1
        default:
            // Table size: this side's encoder has no table. List size: advice. Others: to be ignored.
            break
        }
        return nil
    }

    mutating func readPing(_ frame: H2Frame, _ payload: Span<UInt8>, into out: inout ByteWriter) -> H2Event {
        guard payload.count == 8 else { return fail(.h2FrameSize, into: &out) }
        guard controls.spend() else { return fail(.h2ControlFlood, into: &out) }
        if frame.has(H2Frame.Flag.acknowledge) {
            return .pong(UInt64(bigEndian: payload.bytes.unsafeLoadUnaligned(as: UInt64.self)))
        }
        H2Frame.write(8, H2Frame.Kind.ping, H2Frame.Flag.acknowledge, 0, into: &out)
        out.append(payload)
        return .incomplete
    }

    mutating func readGoAway(_ frame: H2Frame, _ payload: Span<UInt8>, into out: inout ByteWriter) -> H2Event {
        guard payload.count >= 8 else { return fail(.h2FrameSize, into: &out) }
        guard controls.spend() else { return fail(.h2ControlFlood, into: &out) }
        peerIsLeaving = true
        return .goAway(
            last: H2Frame.number(payload, at: 0) & 0x7fff_ffff,
            H2ErrorCode(rawValue: H2Frame.number(payload, at: 4)))
    }

    mutating func readWindowUpdate(_ frame: H2Frame, _ payload: Span<UInt8>, into out: inout ByteWriter) -> H2Event {
        guard payload.count == 4 else { return fail(.h2FrameSize, into: &out) }
        guard windowUpdates.spend() else { return fail(.h2WindowFlood, into: &out) }
        let increment = Int64(H2Frame.number(payload, at: 0) & 0x7fff_ffff)
        if frame.stream == 0 {
            guard increment > 0 else { return fail(.h2Protocol, into: &out) }
            sendWindow += increment
            guard sendWindow <= 0x7fff_ffff else { return fail(.h2FlowControl, into: &out) }
            return .incomplete
        }
        guard let slot = streams.find(frame.stream) else {
            return wasOpened(frame.stream) ? .incomplete : fail(.h2Protocol, into: &out)
        }
        guard increment > 0 else { return resetStream(slot, .h2Protocol, into: &out) }
        guard widen(slot, by: increment) else { return resetStream(slot, .h2FlowControl, into: &out) }
        return .incomplete
    }

    /// Changes what may be sent on a stream; false when the window overflows.
    private mutating func widen(_ slot: Int, by change: Int64) -> Bool {
        streams[slot].sendWindow += change
        guard streams[slot].sendWindow <= 0x7fff_ffff else { return false }
        if streams[slot].flags.contains(.waits), streams[slot].sendWindow > 0 { streams.list(slot) }
        return true
    }
}

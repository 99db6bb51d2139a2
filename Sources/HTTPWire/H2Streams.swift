// SPDX-License-Identifier: Apache-2.0

extension H2Connection {
    // MARK: Opening, ending and closing streams
    //
    // Even what changes nothing is `mutating`: it hands on the connection's address instead of all of its words.

    @inline(__always)
    mutating func open(_ id: UInt32) -> Int {
        // Before SETTINGS are acknowledged the peer may still count with the initial window.
        let window = isAcknowledged ? h2.streamWindow : max(h2.streamWindow, 65_535)
        return streams.open(id, sendWindow: peerWindow, receiveWindow: Int64(window))
    }

    /// Whether a stream with this identifier exists or has existed.
    @inline(__always)
    mutating func wasOpened(_ id: UInt32) -> Bool {
        let isOwn = (id & 1 == 1) == (role == .client)
        return isOwn ? id < nextID : id <= highestPeer && id != 0
    }

    /// The peer has ended its side.
    @inline(__always)
    mutating func endRemote(_ slot: Int) {
        streams[slot].flags.insert(.remoteEnd)
        if streams[slot].flags.contains(.localEnd) { finish(slot) }
    }

    /// This side has ended.
    @inline(__always)
    mutating func endLocal(_ slot: Int) {
        streams[slot].flags.insert(.localEnd)
        streams[slot].flags.remove(.waits)
        streams.unlist(slot)
        if streams[slot].flags.contains(.remoteEnd) { finish(slot) }
    }

    private mutating func finish(_ slot: Int) {
        resets.earn(1)
        close(slot, late: false)
    }

    /// Forgets a stream. `late`: this side gave it up, so that frames of it may still be on their way.
    mutating func close(_ slot: Int, late: Bool) {
        let id = streams[slot].id
        if dataSlot == slot, dataLeft > 0 || paddingLeft > 0 {
            // In the middle of a DATA frame: the rest is skipped and its share of the connection's window given back.
            credit += Int64(dataLeft)
            skipLeft = dataLeft + paddingLeft
            dataLeft = 0
            paddingLeft = 0
        }
        dataSlot = dataSlot == slot ? -1 : dataSlot
        let isOwn = (id & 1 == 1) == (role == .client)
        if isOwn { selfOpened -= 1 } else { peerOpened -= 1 }
        closed.note(id, late: late)
        streams.close(slot)
    }

    /// Gives up a stream because of what the peer sent on it; the connection, when that happens too often.
    mutating func resetStream(_ slot: Int, _ reason: WireReason, into out: inout ByteWriter) -> H2Event {
        let handle = streams.handle(slot)
        writeReset(handle.id, reason.h2Code, into: &out)
        close(slot, late: true)
        guard resets.spend() else { return fail(.h2ResetFlood, into: &out) }
        return .reset(handle, reason, reason.h2Code)
    }

    /// Gives up the connection.
    mutating func fail(_ reason: WireReason, into out: inout ByteWriter) -> H2Event {
        phase = .failed
        if out.room >= 17 { writeGoAway(highestPeer, reason.h2Code, into: &out) }
        return .failed(reason)
    }

    // MARK: Small frames

    mutating func writeReset(_ id: UInt32, _ code: H2ErrorCode, into out: inout ByteWriter) {
        H2Frame.write(4, H2Frame.Kind.reset, 0, id, into: &out)
        out.append(bigEndian: UInt64(code.rawValue), width: 4)
    }

    mutating func writeGoAway(_ last: UInt32, _ code: H2ErrorCode, into out: inout ByteWriter) {
        H2Frame.write(8, H2Frame.Kind.goAway, 0, 0, into: &out)
        out.append(bigEndian: UInt64(last), width: 4)
        out.append(bigEndian: UInt64(code.rawValue), width: 4)
    }

    mutating func writeWindowUpdate(_ id: UInt32, _ increment: Int64, into out: inout ByteWriter) {
        H2Frame.write(4, H2Frame.Kind.windowUpdate, 0, id, into: &out)
        out.append(bigEndian: UInt64(increment), width: 4)
    }

    // MARK: Windows of what is received

    /// Gives the peer back what it has used of the windows, in portions of half a window.
    mutating func grant(_ count: Int64, slot: Int? = nil, into out: inout ByteWriter) {
        credit += count
        if credit * 2 >= max(65_535, Int64(h2.connectionWindow)), out.room >= 13 {
            writeWindowUpdate(0, credit, into: &out)
            receiveWindow += credit
            credit = 0
        }
        if let slot { grantStream(count, slot: slot, into: &out) }
    }

    /// The part of that which is a stream's.
    mutating func grantStream(_ count: Int64, slot: Int, into out: inout ByteWriter) {
        guard !streams[slot].flags.contains(.remoteEnd) else { return }
        streams[slot].credit += count
        if streams[slot].credit * 2 >= Int64(h2.streamWindow), out.room >= 13 {
            writeWindowUpdate(streams[slot].id, streams[slot].credit, into: &out)
            streams[slot].receiveWindow += streams[slot].credit
            streams[slot].credit = 0
        }
    }
}

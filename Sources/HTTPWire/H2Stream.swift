// SPDX-License-Identifier: Apache-2.0

/// Names a stream towards the connection that it belongs to, and carries what its owner noted on it.
///
/// A handle may outlive its stream: calls with it then do nothing.
public struct H2StreamHandle: Sendable, Equatable, BitwiseCopyable {
    /// Its place in the connection's slab.
    let slot: UInt32
    /// The stream's identifier on the wire; never used twice on a connection.
    public let id: UInt32
    /// The owner's note: which request this is.
    public let tag: UInt64
}

/// One stream (RFC 9113 §5.1). An idle or closed stream has no record at all.
struct H2Stream: BitwiseCopyable {
    struct Flags: OptionSet, BitwiseCopyable {
        var rawValue: UInt8
        /// This side has sent END_STREAM.
        static let localEnd = Flags(rawValue: 1)
        /// The peer has sent END_STREAM.
        static let remoteEnd = Flags(rawValue: 2)
        /// The final head has arrived, so that the next header block is a trailer section.
        static let hasHead = Flags(rawValue: 4)
        /// The owner has content that could not be sent.
        static let waits = Flags(rawValue: 8)
        /// It stands in the list of streams that can send.
        static let isListed = Flags(rawValue: 16)
        /// The content's length was announced.
        static let hasLength = Flags(rawValue: 32)
    }

    var id: UInt32 = 0
    var flags: Flags = []
    var interim: UInt8 = 0
    var request = RequestFacts(method: .get)
    /// What may be sent before the peer grants more; negative when the peer took some back.
    var sendWindow: Int64 = 0
    /// What the peer may send before this side grants more.
    var receiveWindow: Int64 = 0
    /// Bytes that the owner has passed on and the peer was not told of.
    var credit: Int64 = 0
    /// Content that is still to come, when its length was announced.
    var remaining: UInt64 = 0
    var tag: UInt64 = 0
    /// Neighbours in the list of streams that can send, or the next free slot; slot plus one, 0 for none.
    var next: UInt32 = 0
    var previous: UInt32 = 0

    /// A request's head has come.
    @inline(__always)
    mutating func begin(_ head: borrowing RequestHead, endStream: Bool) {
        request = RequestFacts(method: head.method, asksUpgrade: head.flags.contains(.upgrade))
        expect(head.framing)
        if endStream { flags.insert(.remoteEnd) }
    }

    /// The final head has come, and says how content ends.
    @inline(__always)
    mutating func expect(_ framing: Framing) {
        flags.insert(.hasHead)
        if case .length(let length) = framing {
            flags.insert(.hasLength)
            remaining = length
        }
    }
}

/// The streams of one connection: a slab, found by identifier, and a list of those that wait for a window.
///
/// Memory grows with the streams that were open at once, and is reused; opening and closing allocates nothing then. It is
/// the table's own and freed with it: there is no reference to count, and every access is checked against its size.
struct H2StreamTable: ~Copyable {
    private var streams = UnsafeMutableBufferPointer<H2Stream>(start: nil, count: 0)
    /// Slots below it have been used.
    private var used = 0
    private(set) var count = 0
    private var free: UInt32 = 0
    /// Slot plus one by identifier, open addressing; at most half full.
    private var places = UnsafeMutableBufferPointer<UInt32>(start: nil, count: 0)
    private var listHead: UInt32 = 0
    private var listTail: UInt32 = 0

    deinit {
        streams.deallocate()
        places.deallocate()
    }

    subscript(slot: Int) -> H2Stream {
        @inline(__always) get {
            precondition(slot >= 0 && slot < used)
            return streams[slot]
        }
        @inline(__always) _modify {
            precondition(slot >= 0 && slot < used)
            yield &streams[slot]
        }
    }

    /// All slots that may hold a stream.
    var slots: Range<Int> { 0..<used }

    /// Where the search for an identifier begins. Identifiers come in rows, and in a row each place would be taken up to
    /// the row's end, so that every removal went through all of it.
    @inline(__always)
    private func home(_ id: UInt32) -> Int {
        Int(truncatingIfNeeded: (UInt64(id) &* 0x9e37_79b9_7f4a_7c15) &>> 33) & (places.count - 1)
    }

    /// The slot of an open stream.
    @inline(__always)
    func find(_ id: UInt32) -> Int? {
        guard !places.isEmpty else { return nil }
        let mask = places.count - 1
        var place = home(id)
        while places[place] != 0 {
            let slot = Int(places[place] - 1)
            if self[slot].id == id { return slot }
            place = (place + 1) & mask
        }
        return nil
    }

    /// The slot of a handle's stream, if that is still open.
    @inline(__always)
    func slot(_ handle: H2StreamHandle) -> Int? {
        let slot = Int(handle.slot)
        return slot < used && self[slot].id == handle.id ? slot : nil
    }

    @inline(__always)
    func handle(_ slot: Int) -> H2StreamHandle {
        H2StreamHandle(slot: UInt32(truncatingIfNeeded: slot), id: self[slot].id, tag: self[slot].tag)
    }

    @inline(__always)
    mutating func open(_ id: UInt32, sendWindow: Int64, receiveWindow: Int64) -> Int {
        let slot: Int
        if free != 0 {
            slot = Int(free - 1)
            free = self[slot].next
        } else {
            slot = used
            if used == streams.count { makeRoom() }
            used += 1
        }
        var stream = H2Stream()
        stream.id = id
        stream.sendWindow = sendWindow
        stream.receiveWindow = receiveWindow
        self[slot] = stream
        count += 1
        if count * 2 > places.count { grow() } else { place(slot) }
        return slot
    }

    private mutating func makeRoom() {
        let larger = UnsafeMutableBufferPointer<H2Stream>.allocate(capacity: max(8, streams.count * 2))
        larger.initialize(repeating: H2Stream())
        for slot in 0..<used { larger[slot] = streams[slot] }
        streams.deallocate()
        streams = larger
    }

    @inline(__always)
    mutating func close(_ slot: Int) {
        unlist(slot)
        remove(self[slot].id)
        self[slot].id = 0
        self[slot].flags = []
        self[slot].next = free
        free = UInt32(slot) + 1
        count -= 1
    }

    /// Puts a stream behind the others that can send.
    mutating func list(_ slot: Int) {
        guard !self[slot].flags.contains(.isListed) else { return }
        self[slot].flags.insert(.isListed)
        self[slot].next = 0
        self[slot].previous = listTail
        let mark = UInt32(slot) + 1
        if listTail == 0 { listHead = mark } else { self[Int(listTail - 1)].next = mark }
        listTail = mark
    }

    /// Whether any stream can send.
    var hasListed: Bool { listHead != 0 }

    /// The first stream that can send; it leaves the list.
    mutating func popListed() -> Int? {
        guard listHead != 0 else { return nil }
        let slot = Int(listHead - 1)
        unlist(slot)
        return slot
    }

    @inline(__always)
    mutating func unlist(_ slot: Int) {
        if self[slot].flags.contains(.isListed) { takeOut(slot) }
    }

    private mutating func takeOut(_ slot: Int) {
        self[slot].flags.remove(.isListed)
        let next = self[slot].next
        let previous = self[slot].previous
        if previous == 0 { listHead = next } else { self[Int(previous - 1)].next = next }
        if next == 0 { listTail = previous } else { self[Int(next - 1)].previous = previous }
        self[slot].next = 0
        self[slot].previous = 0
    }

    @inline(__always)
    private mutating func place(_ slot: Int) {
        let mask = places.count - 1
        var place = home(self[slot].id)
        while places[place] != 0 { place = (place + 1) & mask }
        places[place] = UInt32(slot) + 1
    }

    private mutating func grow() {
        let larger = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: max(16, places.count * 2))
        larger.initialize(repeating: 0)
        places.deallocate()
        places = larger
        for slot in slots where self[slot].id != 0 { place(slot) }
    }

    /// Empties an identifier's place and moves those behind it that would not be found any more.
    @inline(__always)
    private mutating func remove(_ id: UInt32) {
        let mask = places.count - 1
        var hole = home(id)
        while places[hole] != 0, self[Int(places[hole] - 1)].id != id { hole = (hole + 1) & mask }
        var next = hole
        while true {
            next = (next + 1) & mask
            guard places[next] != 0 else { break }
            let begin = home(self[Int(places[next] - 1)].id)
            // It may move into the hole when its home is not between the hole and where it is.
            if (next - begin) & mask >= (next - hole) & mask {
                places[hole] = places[next]
                hole = next
            }
        }
        places[hole] = 0
    }
}

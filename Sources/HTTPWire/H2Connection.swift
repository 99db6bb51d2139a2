// SPDX-License-Identifier: Apache-2.0

/// What a peer's HTTP/2 connection brought next.
public enum H2Event: Sendable {
    /// Nothing to tell. When bytes were consumed, call again with the rest; otherwise more input is needed.
    case incomplete
    /// Replies to the peer do not fit into the output: send some of it before reading on. A peer that does not take
    /// its replies is not read from, so it cannot make them pile up.
    case outputFull
    /// A request (server role). Its head is ``HeadArena/request``, valid until the next head is read into the same arena
    /// and table.
    case request(H2StreamHandle, endStream: Bool)
    /// An interim response (client role), which is ``HeadArena/response``; the final one follows.
    case interim(H2StreamHandle)
    /// A final response (client role), which is ``HeadArena/response``.
    case response(H2StreamHandle, endStream: Bool)
    /// Content: these indices of the input, maybe none. Report them by `passedOn` when they have left, whatever becomes
    /// of the stream.
    case data(H2StreamHandle, Range<Int>, endStream: Bool)
    /// The trailers are in the table; the peer's side of the stream has ended.
    case trailers(H2StreamHandle)
    /// The stream is gone: reset by the peer, or by this side because of what the peer sent on it.
    case reset(H2StreamHandle, WireReason, H2ErrorCode)
    /// A request was refused before it became a stream; the peer was told.
    case refused(id: UInt32, WireReason)
    /// The peer opens no more streams here and has not processed those above `last`: they may be tried elsewhere.
    case goAway(last: UInt32, H2ErrorCode)
    /// The peer's settings have arrived; more streams or larger windows may be there.
    case settings
    /// The answer to ``H2Connection/ping(_:into:)``.
    case pong(UInt64)
    /// The connection failed: the peer was told by GOAWAY. Send what is in the output and close.
    case failed(WireReason)
}

/// One HTTP/2 connection (RFC 9113), either role, without any I/O: bytes in, events and bytes out.
///
/// States of the connection: waiting for the preface (server) → waiting for SETTINGS → open → failed. Streams are
/// handles into a slab; content is told as parts of the input and counted against both windows until the owner says
/// that it was passed on, so a slow reader holds its own stream's window and nothing else. Not safe to share between
/// threads; owned by one.
public struct H2Connection: ~Copyable {
    enum Phase: UInt8 { case preface, settings, open, failed }

    /// Which side of the connection this is.
    public enum Role: UInt8, Sendable { case server, client }

    let role: Role
    let rules: WireRules
    let h2: H2Limits
    var phase: Phase
    var streams = H2StreamTable()
    var decoder: HPackDecoder
    var encoder = HPackEncoder()

    // MARK: Reading

    /// What is left of the DATA frame that is being read, and of its padding.
    var dataLeft = 0
    var paddingLeft = 0
    var dataSlot = -1
    var dataEnds = false
    /// What is left of a frame that nobody here understands.
    var skipLeft = 0
    /// The header block that waits for CONTINUATION.
    var block = H2HeaderBlock()
    /// The highest identifier that the peer has opened a stream with.
    var highestPeer: UInt32 = 0
    var closed = H2ClosedStreams()

    // MARK: Windows and the peer's settings

    var sendWindow: Int64 = 65_535
    var receiveWindow: Int64 = 65_535
    var credit: Int64 = 0
    var peerWindow: Int64 = 65_535
    var peerFrame = 16_384
    var peerStreams = 100
    /// Whether the peer takes extended CONNECT (RFC 8441).
    public internal(set) var peerTakesExtendedConnect = false
    var nextID: UInt32 = 1
    /// Streams that each side has open.
    var peerOpened = 0
    var selfOpened = 0
    var isDraining = false
    /// Streams above it are refused while draining.
    var drainLimit: UInt32 = 0x7fff_ffff
    /// Whether the peer has acknowledged this side's SETTINGS.
    var isAcknowledged = false
    var peerIsLeaving = false

    // MARK: Floods

    var resets: FloodBudget
    var controls: FloodBudget
    var emptyFrames: FloodBudget
    var windowUpdates: FloodBudget

    /// A connection that nothing was sent or read on. Call ``start(into:)`` first.
    public init(role: Role, limits: WireLimits = WireLimits(), h2: H2Limits = H2Limits()) {
        precondition(h2.frame >= 16_384 && h2.frame < 1 << 24 && h2.streamWindow <= 0x7fff_ffff)
        self.role = role
        rules = WireRules(limits)
        self.h2 = h2
        phase = role == .server ? .preface : .settings
        decoder = HPackDecoder(maximum: max(4_096, h2.headerTable))
        resets = FloodBudget(h2.resets)
        controls = FloodBudget(h2.controls)
        emptyFrames = FloodBudget(h2.emptyFrames)
        windowUpdates = FloodBudget(h2.windowUpdates)
    }

    // What changes nothing is `mutating` as well: others would be handed a copy of the whole connection.

    /// Streams that are open, from either side.
    public var openStreams: Int {
        mutating get { streams.count }
    }
    /// Whether nothing is read or written any more.
    public var isFailed: Bool {
        mutating get { phase == .failed }
    }
    /// Whether a header block has begun and not ended: the time when the head timeout runs.
    public var isInsideHead: Bool {
        mutating get { block.isOpen }
    }
    /// Whether this side may open another stream now (client role).
    public var canOpen: Bool {
        mutating get { mayOpen() }
    }

    @inline(__always)
    mutating func mayOpen() -> Bool {
        role == .client && phase != .failed && !isDraining && !peerIsLeaving && selfOpened < peerStreams
            && nextID < 0x7fff_fffd
    }
    /// Whether the peer, having said so, opens no more streams and all are closed.
    public var isDone: Bool {
        mutating get { (isDraining && drainLimit < 0x7fff_ffff || peerIsLeaving) && streams.count == 0 }
    }

    /// Writes the preface (client role), SETTINGS and the connection's window: 85 bytes at most.
    public mutating func start(into out: inout ByteWriter) {
        if role == .client { out.append(H2Frame.preface) }
        let settings: InlineArray<6, (UInt16, Int)> = [
            (H2Setting.enablePush, role == .client ? 0 : -1),
            (H2Setting.maxConcurrentStreams, role == .server ? h2.concurrentStreams : -1),
            (H2Setting.initialWindowSize, h2.streamWindow),
            (H2Setting.maxFrameSize, h2.frame == 16_384 ? -1 : h2.frame),
            (H2Setting.maxHeaderListSize, rules.head),
            (H2Setting.enableConnectProtocol, role == .server && h2.extendedConnect ? 1 : -1),
        ]
        var count = 0
        for index in settings.indices where settings[index].1 >= 0 { count += 1 }
        H2Frame.write(count * 6, H2Frame.Kind.settings, 0, 0, into: &out)
        for index in settings.indices where settings[index].1 >= 0 {
            out.append(bigEndian: UInt64(settings[index].0), width: 2)
            out.append(bigEndian: UInt64(settings[index].1), width: 4)
        }
        if h2.connectionWindow > 65_535 {
            writeWindowUpdate(0, Int64(h2.connectionWindow) - 65_535, into: &out)
            receiveWindow = Int64(h2.connectionWindow)
        }
    }

    /// Lets time give back what floods used up. Call it now and then, with the time since the last call.
    public mutating func elapse(milliseconds: UInt32) {
        resets.elapse(milliseconds: milliseconds)
        controls.elapse(milliseconds: milliseconds)
        emptyFrames.elapse(milliseconds: milliseconds)
        windowUpdates.elapse(milliseconds: milliseconds)
    }

    /// Notes on a stream which request it is; later handles carry it.
    public mutating func tag(_ handle: H2StreamHandle, _ tag: UInt64) {
        guard let slot = streams.slot(handle) else { return }
        streams[slot].tag = tag
    }
}

/// A header block that is spread over several frames. Memory exists only while there is one.
struct H2HeaderBlock {
    var isOpen = false
    var stream: UInt32 = 0
    var flags: UInt8 = 0
    var frames = 0
    var bytes: [UInt8] = []
}

/// The streams that were closed last, to tell late frames from wrong ones.
struct H2ClosedStreams: ~Copyable {
    private static let kept = 128
    private static let lateBit: UInt32 = 1 << 31
    /// A ring; its owner's alone, and there from the first note on.
    private var ids = UnsafeMutableBufferPointer<UInt32>(start: nil, count: 0)
    private var next = 0

    enum Fate { case reset, ended, forgotten }

    deinit { ids.deallocate() }

    /// Notes a closed stream. `late`: this side reset it, so frames of it may still be on their way.
    @inline(__always)
    mutating func note(_ id: UInt32, late: Bool) {
        if ids.isEmpty { allocate() }
        ids[next & (Self.kept - 1)] = late ? id | Self.lateBit : id
        next = (next + 1) & (Self.kept - 1)
    }

    private mutating func allocate() {
        // No stream has the identifier zero.
        ids = .allocate(capacity: Self.kept)
        ids.initialize(repeating: 0)
    }

    func fate(_ id: UInt32) -> Fate {
        guard id != 0 else { return .forgotten }
        for mark in ids where mark & ~Self.lateBit == id { return mark & Self.lateBit != 0 ? .reset : .ended }
        return .forgotten
    }
}

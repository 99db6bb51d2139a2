// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// Where a worker reads heads: one set of memory for all of its connections, since a head is passed on as soon as it
/// was read. It stands outside of the worker, so that a head can be read and passed on at the same time.
struct ReadingDesk: ~Copyable {
    /// Views of the head, or the trailers, that were read last.
    var fields = FieldTable()
    /// What HTTP/2 heads are decoded into.
    var arena: HeadArena
    let reader: H1HeadReader
    /// The normal form of the last request's path and query.
    var path: UnsafeMutableRawBufferPointer
    /// Bytes of it.
    var pathCount = 0
    /// Where a route writes another path; then the two change places.
    var spare: UnsafeMutableRawBufferPointer
    /// The authority that a route names in place of the request's own.
    private let host: UnsafeMutableRawBufferPointer
    private var hostCount = 0

    init(limits: WireLimits, h2: H2Limits) {
        arena = HeadArena(limits: limits, h2: h2)
        reader = H1HeadReader(limits: limits)
        // Normalising makes nothing longer.
        path = .allocate(byteCount: limits.head, alignment: 16)
        spare = .allocate(byteCount: limits.head, alignment: 16)
        host = .allocate(byteCount: 256, alignment: 16)
    }

    deinit {
        path.deallocate()
        spare.deallocate()
        host.deallocate()
    }

    /// The path and query as an endpoint is to see it; empty for `OPTIONS *`.
    var pathBytes: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: path.baseAddress?.assumingMemoryBound(to: UInt8.self), count: pathCount)
    }

    /// The authority that ``nameHost(_:)`` was given last.
    var hostBytes: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: host.baseAddress?.assumingMemoryBound(to: UInt8.self), count: hostCount)
    }

    /// Keeps an authority of a route, which is a host name: 253 bytes at most.
    mutating func nameHost(_ name: Span<UInt8>) {
        var out = ByteWriter(host)
        out.append(name)
        hostCount = out.count
    }

    /// Takes a path that is in its normal form already; what is too long for the desk never left it.
    mutating func keepPath(_ path: Span<UInt8>) {
        var out = ByteWriter(self.path)
        out.append(path)
        pathCount = out.overflowed ? 0 : out.count
    }

    /// Makes the normal form of a request's path, which routes, policy and endpoint all see.
    ///
    /// - Returns: why it has none that all would read in the same way.
    mutating func normalise(_ head: RequestHead, of bytes: Span<UInt8>) -> WireReason? {
        pathCount = 0
        guard head.form == .origin || head.form == .absolute, !head.path.isEmpty else { return nil }
        var out = ByteWriter(path)
        if let reason = NormalPath.write(head, of: bytes, into: &out) { return reason }
        guard !out.overflowed else { return .httpTargetTooLong }
        pathCount = out.count
        return nil
    }
}

extension Worker {
    /// Sizes of messages. A head fits into the scratch area that it is read into, and, whatever it is translated to,
    /// into an output buffer together with what stands before it.
    static var wireLimits: WireLimits {
        var limits = WireLimits()
        limits.head = 32 << 10
        return limits
    }

    /// What one HTTP/2 connection may make this side hold: every stream may stall without stalling the others.
    static var h2Limits: H2Limits {
        var limits = H2Limits()
        limits.headerBlock = 32 << 10
        limits.connectionWindow = limits.streamWindow * limits.concurrentStreams
        // Extended CONNECT is not served, so it is not announced.
        limits.extendedConnect = false
        return limits
    }
}

// SPDX-License-Identifier: Apache-2.0

/// How large a message may be; shared by HTTP/1.1 and HTTP/2. Sizes are bytes.
public struct WireLimits: Sendable {
    /// The request line or status line, CRLF included.
    public var startLine = 8 << 10
    /// A method's name.
    public var method = 32
    /// A whole head: start line, fields and the empty line; for HTTP/2 the decoded list with 32 bytes for each field.
    public var head = 64 << 10
    /// Fields in a head, at most 250.
    public var fields = 100
    /// A whole trailer section.
    public var trailers = 8 << 10
    /// Fields in a trailer section.
    public var trailerFields = 32
    /// The extension of one chunk.
    public var chunkExtension = 4 << 10
    /// The extensions of all chunks of a body.
    public var chunkExtensions = 64 << 10
    /// Connection options in a head.
    public var connectionOptions = 16
    /// Interim (1xx) responses before a final one, at most 250.
    public var interim = 16
    /// Whether names with `_` are let through; they are refused by default, because some recipients read them as `-`
    /// and so would see a field that no policy saw.
    public var underscoreNames = false

    /// The strict defaults.
    public init() {}
}

/// Limits behind a reference: they are asked for all along the hot path, and a reference passes in one register.
final class WireRules: Sendable {
    let startLine, method, head, fields, trailers, trailerFields: Int
    let chunkExtension, chunkExtensions, connectionOptions, interim: Int
    let underscoreNames: Bool

    init(_ limits: WireLimits) {
        startLine = limits.startLine
        method = limits.method
        head = limits.head
        fields = limits.fields
        trailers = limits.trailers
        trailerFields = limits.trailerFields
        chunkExtension = limits.chunkExtension
        chunkExtensions = limits.chunkExtensions
        connectionOptions = limits.connectionOptions
        interim = limits.interim
        underscoreNames = limits.underscoreNames
        // The field table's places are counted in one byte.
        precondition(fields <= 250 && trailerFields <= 250, "a head has at most 250 fields")
        precondition(interim <= 250, "interim responses are counted in one byte")
    }
}

/// How much one HTTP/2 connection may make this side hold or do.
public struct H2Limits: Sendable {
    /// Streams that the peer may have open at once; announced as SETTINGS_MAX_CONCURRENT_STREAMS.
    public var concurrentStreams = 100
    /// Bytes that a stream's peer may send ahead of what was passed on; announced as SETTINGS_INITIAL_WINDOW_SIZE.
    public var streamWindow = 64 << 10
    /// The same for the whole connection: what a peer can make this side hold.
    ///
    /// A stalled stream holds its window until it is read. So that stalled streams never stall their neighbours,
    /// let this be `streamWindow` times the streams that may stall at once.
    public var connectionWindow = 1 << 20
    /// The largest frame that is taken; announced as SETTINGS_MAX_FRAME_SIZE. Beyond 16 KiB, and beyond ``headerBlock``,
    /// only DATA is.
    public var frame = 16 << 10
    /// A header block as it is on the wire, all its frames together.
    public var headerBlock = 64 << 10
    /// CONTINUATION frames in a header block.
    public var continuations = 15
    /// The decoder's dynamic table; announced as SETTINGS_HEADER_TABLE_SIZE.
    public var headerTable = 4 << 10
    /// Resets that are forgiven at once; see ``FloodBudget``.
    public var resets = 200
    /// PING and SETTINGS frames that are forgiven at once.
    public var controls = 200
    /// Frames without content (empty DATA, PRIORITY, unknown types) that are forgiven at once.
    public var emptyFrames = 200
    /// WINDOW_UPDATE frames that are forgiven at once.
    public var windowUpdates = 1_000
    /// Whether extended CONNECT (RFC 8441) is announced and taken.
    public var extendedConnect = true

    /// The defaults for a peer that is not trusted.
    public init() {}
}

// SPDX-License-Identifier: Apache-2.0

/// Why bytes of a peer were refused: one name for logs, metrics and people.
///
/// The numbers continue the list in `bpf/include/malla/reason.h` (64 and up belong to HTTP) and are never reused.
public enum WireReason: UInt16, Error, Sendable, CaseIterable, BitwiseCopyable {
    // MARK: HTTP/1.1 heads

    /// The request line is not `method SP target SP version CRLF`.
    case httpBadRequestLine = 64
    /// The method is not a token, or is longer than allowed.
    case httpBadMethod = 65
    /// The request target has no form that the method allows, or bytes that a URI cannot have.
    case httpBadTarget = 66
    /// The version is not written as `HTTP/1.1` or `HTTP/1.0`.
    case httpBadVersion = 67
    /// A version that is written rightly, and is not 1.0 or 1.1.
    case httpUnsupportedVersion = 68
    /// The status line is not `version SP 3DIGIT SP reason CRLF`, or the status is outside of 100 to 599.
    case httpBadStatusLine = 69
    /// A field name is empty or not a token, or space stands before the colon.
    case httpBadFieldName = 70
    /// A field value has a control byte.
    case httpBadFieldValue = 71
    /// A field line begins with space: folding is obsolete.
    case httpFoldedField = 72
    /// A line ends with LF alone, or a CR stands alone.
    case httpBadLineEnd = 73
    /// The request line is longer than allowed.
    case httpTargetTooLong = 74
    /// The head is longer than allowed.
    case httpHeadTooLarge = 75
    /// The head has more fields than allowed.
    case httpTooManyFields = 76
    /// An HTTP/1.1 request without Host.
    case httpMissingHost = 77
    /// More than one Host.
    case httpRepeatedHost = 78
    /// Host or authority is not `host[:port]`.
    case httpBadHost = 79
    /// Content-Length is not a decimal number that can be held.
    case httpBadContentLength = 80
    /// More than one Content-Length.
    case httpRepeatedContentLength = 81
    /// Transfer-Encoding is not exactly `chunked`, is repeated, or comes from an HTTP/1.0 peer.
    case httpBadTransferEncoding = 82
    /// Content-Length and Transfer-Encoding together.
    case httpConflictingFraming = 83
    /// Content where none may be: CONNECT, upgrades, 1xx, 204.
    case httpUnexpectedContent = 84
    /// Connection is not a list of tokens, is too long, or names a field that is meant for the final recipient.
    case httpBadConnectionOption = 85
    /// An expectation other than `100-continue`.
    case httpBadExpectation = 86
    /// Upgrade is not one protocol name.
    case httpBadUpgrade = 87
    /// A field name with an underscore, which some recipients read as a dash.
    case httpUnderscoreName = 88

    // MARK: HTTP/1.1 bodies and exchanges

    /// A chunk's size line or the end of its data is malformed.
    case httpBadChunk = 89
    /// A chunk extension, or all of a body's extensions, are longer than allowed.
    case httpChunkExtensionTooLong = 90
    /// A trailer field is malformed.
    case httpBadTrailer = 91
    /// The trailer section is longer than allowed or has too many fields.
    case httpTrailersTooLarge = 92
    /// The peer closed in the middle of a message.
    case httpTruncated = 93
    /// The server sent bytes that belong to no response.
    case httpUnsolicitedBytes = 94
    /// The server switched protocols without having been asked.
    case httpUnexpectedSwitch = 95
    /// More interim (1xx) responses than allowed.
    case httpTooManyInterim = 96
    /// The path can be read in two ways: `%2f`, `%00`, a backslash, overlong UTF-8, or it leaves the root.
    case httpAmbiguousPath = 97

    // MARK: HTTP/2 messages

    /// A pseudo-header field is unknown, repeated, missing, malformed or after a regular field.
    case h2BadPseudoField = 98
    /// A field that belongs to HTTP/1.1 connections: Connection, Transfer-Encoding, TE other than `trailers`.
    case h2ConnectionField = 99
    /// The DATA frames do not add up to Content-Length.
    case h2LengthMismatch = 100
    /// Trailers without END_STREAM, or a second final head.
    case h2BadTrailers = 101

    // MARK: HTTP/2 connections

    /// The connection preface or the first SETTINGS frame is missing.
    case h2BadPreface = 102
    /// A frame's length is not what its type allows.
    case h2FrameSize = 103
    /// A frame on a stream where it may not be.
    case h2Protocol = 104
    /// A frame on a stream that has ended.
    case h2StreamClosed = 105
    /// More bytes than the window allows, or a window that overflows.
    case h2FlowControl = 106
    /// The header block cannot be decoded.
    case h2Compression = 107
    /// A setting has a value that it cannot have.
    case h2BadSetting = 108
    /// More streams at once than announced.
    case h2TooManyStreams = 109
    /// A header block that is too long, before or after decoding.
    case h2HeadTooLarge = 110
    /// Too many CONTINUATION frames.
    case h2ContinuationFlood = 111
    /// Streams are reset, or made to be reset, faster than requests complete.
    case h2ResetFlood = 112
    /// More PING or SETTINGS frames than the traffic explains.
    case h2ControlFlood = 113
    /// More frames without any content than the traffic explains.
    case h2EmptyFrameFlood = 114
    /// More WINDOW_UPDATE frames than the data sent explains.
    case h2WindowFlood = 115
    /// The stream was reset by the peer.
    case h2PeerReset = 116
    /// The peer refused the stream before doing anything with it: it may be tried again.
    case h2PeerRefused = 117

    /// The stable name, as logs and metrics show it.
    public var name: StaticString {
        switch self {
        case .httpBadRequestLine: "http_bad_request_line"
        case .httpBadMethod: "http_bad_method"
        case .httpBadTarget: "http_bad_target"
        case .httpBadVersion: "http_bad_version"
        case .httpUnsupportedVersion: "http_unsupported_version"
        case .httpBadStatusLine: "http_bad_status_line"
        case .httpBadFieldName: "http_bad_field_name"
        case .httpBadFieldValue: "http_bad_field_value"
        case .httpFoldedField: "http_folded_field"
        case .httpBadLineEnd: "http_bad_line_end"
        case .httpTargetTooLong: "http_target_too_long"
        case .httpHeadTooLarge: "http_head_too_large"
        case .httpTooManyFields: "http_too_many_fields"
        case .httpMissingHost: "http_missing_host"
        case .httpRepeatedHost: "http_repeated_host"
        case .httpBadHost: "http_bad_host"
        case .httpBadContentLength: "http_bad_content_length"
        case .httpRepeatedContentLength: "http_repeated_content_length"
        case .httpBadTransferEncoding: "http_bad_transfer_encoding"
        case .httpConflictingFraming: "http_conflicting_framing"
        case .httpUnexpectedContent: "http_unexpected_content"
        case .httpBadConnectionOption: "http_bad_connection_option"
        case .httpBadExpectation: "http_bad_expectation"
        case .httpBadUpgrade: "http_bad_upgrade"
        case .httpUnderscoreName: "http_underscore_name"
        case .httpBadChunk: "http_bad_chunk"
        case .httpChunkExtensionTooLong: "http_chunk_extension_too_long"
        case .httpBadTrailer: "http_bad_trailer"
        case .httpTrailersTooLarge: "http_trailers_too_large"
        case .httpTruncated: "http_truncated"
        case .httpUnsolicitedBytes: "http_unsolicited_bytes"
        case .httpUnexpectedSwitch: "http_unexpected_switch"
        case .httpTooManyInterim: "http_too_many_interim"
        case .httpAmbiguousPath: "http_ambiguous_path"
        case .h2BadPseudoField: "h2_bad_pseudo_field"
        case .h2ConnectionField: "h2_connection_field"
        case .h2LengthMismatch: "h2_length_mismatch"
        case .h2BadTrailers: "h2_bad_trailers"
        case .h2BadPreface: "h2_bad_preface"
        case .h2FrameSize: "h2_frame_size"
        case .h2Protocol: "h2_protocol"
        case .h2StreamClosed: "h2_stream_closed"
        case .h2FlowControl: "h2_flow_control"
        case .h2Compression: "h2_compression"
        case .h2BadSetting: "h2_bad_setting"
        case .h2TooManyStreams: "h2_too_many_streams"
        case .h2HeadTooLarge: "h2_head_too_large"
        case .h2ContinuationFlood: "h2_continuation_flood"
        case .h2ResetFlood: "h2_reset_flood"
        case .h2ControlFlood: "h2_control_flood"
        case .h2EmptyFrameFlood: "h2_empty_frame_flood"
        case .h2WindowFlood: "h2_window_flood"
        case .h2PeerReset: "h2_peer_reset"
        case .h2PeerRefused: "h2_peer_refused"
        }
    }

    /// The status that an HTTP/1.1 client is answered with before its connection is closed.
    ///
    /// Towards a client, the same faults in an upstream's response are 502.
    public var status: UInt16 {
        switch self {
        case .httpTargetTooLong: 414
        case .httpBadExpectation: 417
        case .httpHeadTooLarge, .httpTooManyFields, .h2HeadTooLarge: 431
        case .httpBadTransferEncoding: 501
        case .httpUnsupportedVersion: 505
        default: 400
        }
    }

    /// The error code that an HTTP/2 peer is told.
    public var h2Code: H2ErrorCode {
        switch self {
        case .h2FrameSize: .frameSizeError
        case .h2StreamClosed: .streamClosed
        case .h2FlowControl: .flowControlError
        case .h2Compression: .compressionError
        case .h2TooManyStreams, .h2PeerRefused: .refusedStream
        case .h2HeadTooLarge, .h2ContinuationFlood, .h2ResetFlood, .h2ControlFlood, .h2EmptyFrameFlood,
            .h2WindowFlood, .httpTooManyFields, .httpHeadTooLarge, .httpTooManyInterim:
            .enhanceYourCalm
        case .h2PeerReset: .cancel
        default: .protocolError
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Why a stream or a connection ended, as RST_STREAM and GOAWAY say it (RFC 9113 §7).
public struct H2ErrorCode: RawRepresentable, Equatable, Sendable {
    /// The number on the wire; a peer may send one that no standard names.
    public var rawValue: UInt32

    /// Any number, named or not.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Nothing was wrong.
    public static var noError: Self { Self(rawValue: 0) }
    /// The peer broke the protocol.
    public static var protocolError: Self { Self(rawValue: 1) }
    /// This side failed.
    public static var internalError: Self { Self(rawValue: 2) }
    /// The peer sent more than the window allowed.
    public static var flowControlError: Self { Self(rawValue: 3) }
    /// SETTINGS were not acknowledged in time.
    public static var settingsTimeout: Self { Self(rawValue: 4) }
    /// A frame for a stream that had ended.
    public static var streamClosed: Self { Self(rawValue: 5) }
    /// A frame of a size that its type does not allow.
    public static var frameSizeError: Self { Self(rawValue: 6) }
    /// The stream was not processed at all and may be tried again.
    public static var refusedStream: Self { Self(rawValue: 7) }
    /// The stream is no longer wanted.
    public static var cancel: Self { Self(rawValue: 8) }
    /// The compression state is lost.
    public static var compressionError: Self { Self(rawValue: 9) }
    /// The connection of a CONNECT was reset.
    public static var connectError: Self { Self(rawValue: 10) }
    /// The peer makes too much work.
    public static var enhanceYourCalm: Self { Self(rawValue: 11) }
    /// The transport is not secure enough.
    public static var inadequateSecurity: Self { Self(rawValue: 12) }
    /// The request needs HTTP/1.1.
    public static var http11Required: Self { Self(rawValue: 13) }
}

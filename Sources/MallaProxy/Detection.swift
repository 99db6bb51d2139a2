// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// What is spoken on a service's port, by its `appProtocol`.
enum ApplicationProtocol: UInt8, BitwiseCopyable, Sendable {
    /// Not said: the first bytes tell, whoever they come from.
    case unknown
    /// Bytes, whatever they are.
    case bytes
    /// HTTP/1.1 towards endpoints; clients speak HTTP/1.1 or HTTP/2.
    case http1
    /// HTTP/2 towards endpoints; clients speak HTTP/1.1 or HTTP/2.
    case http2

    /// The protocol that a port's `appProtocol` names. Names that mean nothing here, and what is encrypted, are bytes.
    init(_ name: String?) {
        switch name?.lowercased() {
        case nil: self = .unknown
        case "http", "http1", "http/1.1", "ws", "kubernetes.io/ws", "grpc-web": self = .http1
        case "h2c", "http2", "kubernetes.io/h2c", "grpc": self = .http2
        default: self = .bytes
        }
    }

    /// Whether clients must speak HTTP.
    var isHTTP: Bool { self == .http1 || self == .http2 }
}

/// What the first bytes of a client say about its protocol.
enum FirstBytes: BitwiseCopyable {
    /// The beginning of a request line, and no more of it.
    case undecided
    /// A whole HTTP/1 request line.
    case http1
    /// The preface of HTTP/2, or the part of it that fits in.
    case http2
    /// Something else.
    case other

    /// Judges bytes that are not known to be HTTP.
    ///
    /// Only what begins like a request to a known method and path is waited for: everything else is some other protocol
    /// at once, so that no client of one waits for a line end that it will not send.
    init(_ bytes: Span<UInt8>) {
        if Self.isPreface(bytes) {
            self = .http2
            return
        }
        guard let target = Self.endOfMethod(bytes) else {
            self = Self.couldBeMethod(bytes) ? .undecided : .other
            return
        }
        // `GET key` is also a line of Redis, so the target must look like one too.
        guard target < bytes.count else {
            self = .undecided
            return
        }
        guard bytes[target] == 0x2f || bytes[target] == 0x2a || bytes[target] | 0x20 == 0x68 else {
            self = .other
            return
        }
        for index in target..<min(bytes.count, WireLimits().startLine) where bytes[index] < 0x20 {
            self = Self.endsWithVersion(bytes, at: index) ? .http1 : .other
            return
        }
        self = bytes.count < WireLimits().startLine ? .undecided : .other
    }

    /// Whether bytes on a port that speaks HTTP are the preface of HTTP/2, or the part of it that came so far.
    static func isPreface(_ bytes: Span<UInt8>) -> Bool {
        let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        // Two bytes tell it from every method: PUT, POST, PATCH and PROPFIND differ from it by then or by the third.
        guard bytes.count >= 3 else { return false }
        for index in 0..<min(bytes.count, preface.utf8CodeUnitCount) where bytes[index] != preface.utf8Start[index] {
            return false
        }
        return true
    }

    private static func endOfMethod(_ bytes: Span<UInt8>) -> Int? {
        for index in 0..<min(bytes.count, 8) where bytes[index] == 0x20 {
            return isMethod(bytes, count: index) ? index + 1 : nil
        }
        return nil
    }

    private static func couldBeMethod(_ bytes: Span<UInt8>) -> Bool {
        for place in methods.indices {
            let name = methods[place]
            guard bytes.count <= name.utf8CodeUnitCount else { continue }
            var index = 0
            while index < bytes.count, bytes[index] == name.utf8Start[index] { index += 1 }
            if index == bytes.count { return true }
        }
        return false
    }

    private static func isMethod(_ bytes: Span<UInt8>, count: Int) -> Bool {
        for place in methods.indices {
            let name = methods[place]
            guard name.utf8CodeUnitCount == count else { continue }
            var index = 0
            while index < count, bytes[index] == name.utf8Start[index] { index += 1 }
            if index == count { return true }
        }
        return false
    }

    private static var methods: InlineArray<9, StaticString> {
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"]
    }

    private static func endsWithVersion(_ bytes: Span<UInt8>, at end: Int) -> Bool {
        let version: StaticString = " HTTP/1."
        guard end >= 9, bytes[end] == 0x0d || bytes[end] == 0x0a else { return false }
        for index in 0..<8 where bytes[end - 9 + index] != version.utf8Start[index] { return false }
        return true
    }
}

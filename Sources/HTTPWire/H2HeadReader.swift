// SPDX-License-Identifier: Apache-2.0

/// Judges decoded header lists as messages (RFC 9113 §8.1–8.3, §8.5) and turns them into the heads that HTTP/1.1 has
/// as well. Every rule that keeps an HTTP/1.1 recipient from reading something else is checked here, before anything
/// is sent on.
enum H2HeadReader {
    /// Fills in a request's head; a reason where it is none.
    static func request(
        _ head: inout RequestHead, _ fields: inout FieldTable, in bytes: Span<UInt8>, endStream: Bool,
        rules: WireRules, extendedConnect: Bool
    ) -> WireReason? {
        guard isPlaced(fields), !fields.has(.pseudoStatus), let method = fields.value(of: .pseudoMethod) else {
            return .h2BadPseudoField
        }
        head = RequestHead()
        head.version = .http2
        head.flags = .keepAlive
        head.methodName = method
        head.method = Method.named(method, in: bytes)
        // Those that are known by name are tokens.
        guard !method.isEmpty, method.count <= rules.method, head.method != .other || isToken(method, bytes) else {
            return .httpBadMethod
        }
        if let reason = target(&head, fields, bytes, extendedConnect) { return reason }
        if let host = fields.value(of: .host) {
            guard !fields.isRepeated(.host) else { return .httpRepeatedHost }
            guard Target.isAuthority(bytes, host) else { return .httpBadHost }
            if head.authority.isEmpty { head.authority = host }
            guard bytes.sameToken(head.authority, host) else { return .httpBadHost }
        }
        guard !head.authority.isEmpty else { return .httpMissingHost }
        if let reason = framing(&head.framing, fields, bytes, endStream: endStream) { return reason }
        let isConnect = head.method == .connect
        if isConnect ? fields.has(.contentLength) : head.method == .trace && !endStream {
            return .httpUnexpectedContent
        }
        if let expectation = fields.value(of: .expect) {
            guard !fields.isRepeated(.expect), bytes.isToken(expectation, "100-continue") else {
                return .httpBadExpectation
            }
            if !endStream, !isConnect { head.flags.insert(.expectContinue) }
        }
        if fields.has(.te) { head.flags.insert(.takesTrailers) }
        finish(&fields, head.framing)
        return nil
    }

    /// Fills in a response's head, interim ones included; a reason where it is none.
    static func response(
        _ head: inout ResponseHead, _ fields: inout FieldTable, in bytes: Span<UInt8>, to request: RequestFacts,
        endStream: Bool
    ) -> WireReason? {
        guard isPlaced(fields), !fields.hasAny(pseudoBits & ~FieldTable.bit(.pseudoStatus)),
            let status = fields.value(of: .pseudoStatus), let number = statusCode(bytes, status), number != 101
        else { return .h2BadPseudoField }
        head = ResponseHead()
        head.version = .http2
        head.flags = .keepAlive
        head.status = number
        if number < 200 {
            guard !endStream, !fields.has(.contentLength) else { return .httpUnexpectedContent }
            finish(&fields, .none)
            return nil
        }
        let hasNoContent = request.method == .head || number == 304
        if let reason = framing(&head.framing, fields, bytes, endStream: endStream && !hasNoContent) { return reason }
        if number == 204 {
            guard head.framing == .none || head.framing == .length(0) || head.framing == .open else {
                return .httpUnexpectedContent
            }
            head.framing = .none
        }
        if hasNoContent {
            head.flags.insert(.noContent)
            if head.framing == .open { head.framing = .none }
        }
        if request.method == .connect, number < 300 {
            guard !fields.has(.contentLength) else { return .httpUnexpectedContent }
            head.flags.insert(.upgrade)
        }
        finish(&fields, head.framing)
        return nil
    }

    /// The number that three digits spell, if it is a status.
    @inline(__always)
    private static func statusCode(_ bytes: Span<UInt8>, _ range: ByteRange) -> UInt16? {
        guard range.count == 3 else { return nil }
        let start = Int(range.start)
        let first = bytes[start] &- 0x30
        let second = bytes[start + 1] &- 0x30
        let third = bytes[start + 2] &- 0x30
        guard first >= 1, first < 6, second < 10, third < 10 else { return nil }
        return UInt16(first) * 100 + UInt16(second) * 10 + UInt16(third)
    }

    /// A trailer section. Fields that may not trail are marked as dropped.
    static func trailers(_ fields: inout FieldTable, in bytes: Span<UInt8>) -> WireReason? {
        for index in 0..<fields.count {
            if fields[index].known.isPseudo { return .h2BadPseudoField }
            if !fields[index].known.mayTrail { fields[index].isDropped = true }
        }
        return nil
    }

    private static var pseudoBits: UInt64 {
        FieldTable.bit(.pseudoMethod) | FieldTable.bit(.pseudoScheme) | FieldTable.bit(.pseudoAuthority)
            | FieldTable.bit(.pseudoPath) | FieldTable.bit(.pseudoStatus) | FieldTable.bit(.pseudoProtocol)
    }

    /// Pseudo-header fields stand before all others and once each.
    @inline(__always)
    private static func isPlaced(_ fields: borrowing FieldTable) -> Bool {
        var leading: UInt64 = 0
        var index = 0
        while index < fields.count, fields[index].known.isPseudo {
            leading |= FieldTable.bit(fields[index].known)
            index += 1
        }
        // None of them is among the others then.
        return !fields.hasAny(pseudoBits & ~leading) && !fields.isAnyRepeated(pseudoBits)
    }

    /// Which pseudo-header fields there must be, and what they hold (RFC 9113 §8.3.1, §8.5, RFC 8441 §4).
    @inline(__always)
    private static func target(
        _ head: inout RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>, _ extendedConnect: Bool
    ) -> WireReason? {
        let isConnect = head.method == .connect
        head.scheme = fields.value(of: .pseudoScheme) ?? .empty
        head.path = fields.value(of: .pseudoPath) ?? .empty
        if let asked = fields.value(of: .pseudoProtocol) {
            guard isConnect, extendedConnect, UpgradeName.isProtocol(asked, in: bytes),
                !UpgradeName.isHTTP(asked, in: bytes)
            else { return .h2BadPseudoField }
            head.upgrade = asked
            head.flags.insert(.upgrade)
        }
        if let authority = fields.field(.pseudoAuthority) {
            head.authority = authority.value
            let needsPort = isConnect && !head.flags.contains(.upgrade)
            // What a table remembers was looked at when it came.
            guard
                authority.traits.contains(.isAuthority) && !needsPort
                    || Target.isAuthority(bytes, authority.value, needsPort: needsPort)
            else { return .httpBadHost }
        }
        if isConnect && !head.flags.contains(.upgrade) {
            head.form = .authority
            guard !fields.has(.pseudoScheme), !fields.has(.pseudoPath), fields.has(.pseudoAuthority) else {
                return .h2BadPseudoField
            }
            return nil
        }
        guard fields.has(.pseudoScheme), fields.has(.pseudoPath), Target.isScheme(bytes, head.scheme) else {
            return .h2BadPseudoField
        }
        if head.path.count == 1, bytes[Int(head.path.start)] == 0x2a {
            head.form = .asterisk
            return head.method == .options ? nil : .httpBadTarget
        }
        return Target.isPath(bytes, head.path, isNormal: &head.hasNormalPath) ? nil : .httpBadTarget
    }

    private static func framing(
        _ framing: inout Framing, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>, endStream: Bool
    ) -> WireReason? {
        if let te = fields.value(of: .te) {
            guard !fields.isRepeated(.te), bytes.isExactly(te, "trailers") else { return .h2ConnectionField }
        }
        guard let length = fields.value(of: .contentLength) else {
            framing = endStream ? .none : .open
            return nil
        }
        guard !fields.isRepeated(.contentLength) else { return .httpRepeatedContentLength }
        guard let number = H1Framing.decimal(bytes, length) else { return .httpBadContentLength }
        guard !endStream || number == 0 else { return .h2LengthMismatch }
        framing = .length(number)
        return nil
    }

    /// Leaves out what the next hop's head says anew.
    @inline(__always)
    private static func finish(_ fields: inout FieldTable, _ framing: Framing) {
        if fields.has(.trailer), framing != .open { fields.drop(.trailer) }
    }

    private static func isToken(_ range: ByteRange, _ bytes: Span<UInt8>) -> Bool {
        for index in range.range where !ByteClass.isToken(bytes[index]) { return false }
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Judges decoded header lists as messages (RFC 9113 §8.1–8.3, §8.5) and turns them into the heads that HTTP/1.1 has
/// as well. Every rule that keeps an HTTP/1.1 recipient from reading something else is checked here, before anything
/// is sent on.
enum H2HeadReader {
    /// A request's head.
    static func request(
        _ fields: inout FieldTable, in bytes: Span<UInt8>, endStream: Bool, rules: WireRules, extendedConnect: Bool
    ) -> Result<RequestHead, WireReason> {
        if let reason = placement(fields) { return .failure(reason) }
        guard !fields.has(.pseudoStatus), let method = fields.value(of: .pseudoMethod) else {
            return .failure(.h2BadPseudoField)
        }
        var head = RequestHead()
        head.version = .http2
        head.flags.insert(.keepAlive)
        guard !method.isEmpty, method.count <= rules.method, isToken(method, bytes) else {
            return .failure(.httpBadMethod)
        }
        head.methodName = method
        head.method = Method.named(method, in: bytes)
        head.scheme = fields.value(of: .pseudoScheme) ?? .empty
        head.path = fields.value(of: .pseudoPath) ?? .empty
        head.authority = fields.value(of: .pseudoAuthority) ?? .empty
        if let reason = target(&head, fields, bytes, extendedConnect) { return .failure(reason) }
        if let host = fields.value(of: .host) {
            guard !fields.isRepeated(.host) else { return .failure(.httpRepeatedHost) }
            guard Target.isAuthority(bytes, host) else { return .failure(.httpBadHost) }
            if head.authority.isEmpty { head.authority = host }
            guard bytes.sameToken(head.authority, host) else { return .failure(.httpBadHost) }
        }
        guard !head.authority.isEmpty else { return .failure(.httpMissingHost) }
        switch framing(fields, bytes, endStream: endStream) {
        case .success(let found): head.framing = found
        case .failure(let reason): return .failure(reason)
        }
        let isConnect = head.method == .connect
        if isConnect ? fields.has(.contentLength) : head.method == .trace && !endStream {
            return .failure(.httpUnexpectedContent)
        }
        if let expectation = fields.value(of: .expect) {
            guard !fields.isRepeated(.expect), bytes.isToken(expectation, "100-continue") else {
                return .failure(.httpBadExpectation)
            }
            if !endStream, !isConnect { head.flags.insert(.expectContinue) }
        }
        if fields.has(.te) { head.flags.insert(.takesTrailers) }
        finish(&fields, head.framing)
        return .success(head)
    }

    /// A response's head, interim ones included.
    static func response(
        _ fields: inout FieldTable, in bytes: Span<UInt8>, to request: RequestFacts, endStream: Bool
    ) -> Result<ResponseHead, WireReason> {
        if let reason = placement(fields) { return .failure(reason) }
        guard let status = fields.value(of: .pseudoStatus), status.count == 3, !fields.has(.pseudoMethod),
            !fields.has(.pseudoScheme), !fields.has(.pseudoAuthority), !fields.has(.pseudoPath),
            !fields.has(.pseudoProtocol), let number = H1Framing.decimal(bytes, status), number >= 100, number < 600,
            number != 101
        else { return .failure(.h2BadPseudoField) }
        var head = ResponseHead()
        head.version = .http2
        head.flags.insert(.keepAlive)
        head.status = UInt16(number)
        if number < 200 {
            guard !endStream, !fields.has(.contentLength) else { return .failure(.httpUnexpectedContent) }
            finish(&fields, .none)
            return .success(head)
        }
        let hasNoContent = request.method == .head || number == 304
        switch framing(fields, bytes, endStream: endStream && !hasNoContent) {
        case .success(let found): head.framing = found
        case .failure(let reason): return .failure(reason)
        }
        if number == 204 {
            guard head.framing == .none || head.framing == .length(0) || head.framing == .open else {
                return .failure(.httpUnexpectedContent)
            }
            head.framing = .none
        }
        if hasNoContent {
            head.flags.insert(.noContent)
            if head.framing == .open { head.framing = .none }
        }
        if request.method == .connect, number < 300 {
            guard !fields.has(.contentLength) else { return .failure(.httpUnexpectedContent) }
            head.flags.insert(.upgrade)
        }
        finish(&fields, head.framing)
        return .success(head)
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
    private static func placement(_ fields: borrowing FieldTable) -> WireReason? {
        var index = 0
        while index < fields.count, fields[index].known.isPseudo { index += 1 }
        while index < fields.count {
            if fields[index].known.isPseudo { return .h2BadPseudoField }
            index += 1
        }
        return fields.isAnyRepeated(pseudoBits) ? .h2BadPseudoField : nil
    }

    /// Which pseudo-header fields there must be, and what they hold (RFC 9113 §8.3.1, §8.5, RFC 8441 §4).
    private static func target(
        _ head: inout RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>, _ extendedConnect: Bool
    ) -> WireReason? {
        let isConnect = head.method == .connect
        if let asked = fields.value(of: .pseudoProtocol) {
            guard isConnect, extendedConnect, UpgradeName.isProtocol(asked, in: bytes),
                !UpgradeName.isHTTP(asked, in: bytes)
            else { return .h2BadPseudoField }
            head.upgrade = asked
            head.flags.insert(.upgrade)
        }
        if fields.has(.pseudoAuthority) {
            let needsPort = isConnect && !head.flags.contains(.upgrade)
            guard Target.isAuthority(bytes, head.authority, needsPort: needsPort) else { return .httpBadHost }
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
        return Target.isPath(bytes, head.path) ? nil : .httpBadTarget
    }

    private static func framing(
        _ fields: borrowing FieldTable, _ bytes: Span<UInt8>, endStream: Bool
    ) -> Result<Framing, WireReason> {
        if let te = fields.value(of: .te) {
            guard !fields.isRepeated(.te), bytes.isExactly(te, "trailers") else { return .failure(.h2ConnectionField) }
        }
        guard let length = fields.value(of: .contentLength) else { return .success(endStream ? .none : .open) }
        guard !fields.isRepeated(.contentLength) else { return .failure(.httpRepeatedContentLength) }
        guard let number = H1Framing.decimal(bytes, length) else { return .failure(.httpBadContentLength) }
        guard !endStream || number == 0 else { return .failure(.h2LengthMismatch) }
        return .success(.length(number))
    }

    /// Leaves out what the next hop's head says anew.
    private static func finish(_ fields: inout FieldTable, _ framing: Framing) {
        if framing != .open { fields.drop(.trailer) }
    }

    private static func isToken(_ range: ByteRange, _ bytes: Span<UInt8>) -> Bool {
        for index in range.range where !ByteClass.isToken(bytes[index]) { return false }
        return true
    }
}

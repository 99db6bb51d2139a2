// SPDX-License-Identifier: Apache-2.0

/// What a response's meaning depends on in the request that it answers.
public struct RequestFacts: Sendable, BitwiseCopyable {
    /// Its method.
    public var method: Method
    /// Whether it asked for another protocol.
    public var asksUpgrade: Bool

    /// The facts of a request that is sent on.
    public init(method: Method, asksUpgrade: Bool = false) {
        self.method = method
        self.asksUpgrade = asksUpgrade
    }
}

/// How the content of an HTTP/1 message ends (RFC 9112 §6), judged so that no other reader can find another end.
enum H1Framing {
    /// The framing that the fields give, `none` without any; a reason where they give two or an unclear one.
    static func resolve(
        _ bytes: Span<UInt8>, _ fields: borrowing FieldTable, version: HTTPVersion
    ) -> Result<Framing, WireReason> {
        let length = fields.value(of: .contentLength)
        if let coding = fields.value(of: .transferEncoding) {
            guard length == nil else { return .failure(.httpConflictingFraming) }
            guard version == .http11, !fields.isRepeated(.transferEncoding), bytes.isExactly(coding, "chunked") else {
                return .failure(.httpBadTransferEncoding)
            }
            return .success(.open)
        }
        guard let length else { return .success(.none) }
        guard !fields.isRepeated(.contentLength) else { return .failure(.httpRepeatedContentLength) }
        guard let number = decimal(bytes, length) else { return .failure(.httpBadContentLength) }
        return .success(.length(number))
    }

    /// The number that decimal digits spell, up to 2^63 - 1; leading zeros are allowed, nothing else is.
    static func decimal(_ bytes: Span<UInt8>, _ range: ByteRange) -> UInt64? {
        guard !range.isEmpty, range.count <= 40 else { return nil }
        if range.count <= 8, range.end >= 8 { return shortDecimal(bytes, range) }
        var number: UInt64 = 0
        let limit = UInt64(Int64.max) / 10
        for index in range.range {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return nil }
            guard number < limit || number == limit && digit <= 7 else { return nil }
            number = number * 10 + UInt64(digit)
        }
        return number
    }
}

extension H1Framing {
    /// The same for up to eight digits, all at once.
    @inline(__always)
    private static func shortDecimal(_ bytes: Span<UInt8>, _ range: ByteRange) -> UInt64? {
        // The first digit in the lowest byte, zeros before it.
        let others = UInt64(truncatingIfNeeded: 8 * (8 - range.count))
        let zeros: UInt64 = 0x3030_3030_3030_3030
        let word = (bytes.word(at: range.end - 8) &>> others) &<< others | zeros & ~(UInt64.max &<< others)
        let digits = word ^ zeros
        // Above nine, a digit carries into its byte's high half.
        guard (digits | (digits &+ 0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 == 0 else { return nil }
        // Pairs, then fours, then all eight.
        let pairs = (digits &* 10 &+ digits &>> 8) & 0x00ff_00ff_00ff_00ff
        let fours = (pairs &* 100 &+ pairs &>> 16) & 0x0000_ffff_0000_ffff
        return (fours &* 10_000 &+ fours &>> 32) & 0xffff_ffff
    }
}

extension RequestHead {
    /// Judges what concerns the head as a whole: Host, framing, Connection, Upgrade, Expect.
    mutating func resolve(_ bytes: Span<UInt8>, _ fields: inout FieldTable, rules: WireRules) -> WireReason? {
        if let host = fields.value(of: .host) {
            guard !fields.isRepeated(.host) else { return .httpRepeatedHost }
            guard Target.isAuthority(bytes, host) else { return .httpBadHost }
            if authority.isEmpty { authority = host }
        } else if version == .http11 {
            return .httpMissingHost
        }
        switch H1Framing.resolve(bytes, fields, version: version) {
        case .success(let found): framing = found
        case .failure(let reason): return reason
        }
        let hasContent = framing != .none
        if hasContent, method == .connect || method == .trace { return .httpUnexpectedContent }
        var options = ConnectionOptions(most: rules.connectionOptions)
        if let reason = options.read(bytes, &fields) { return reason }
        if version == .http11 ? !options.has(.close) : options.has(.keepAlive) && !options.has(.close) {
            flags.insert(.keepAlive)
        }
        if let expectation = fields.value(of: .expect), version == .http11 {
            guard !fields.isRepeated(.expect), bytes.isToken(expectation, "100-continue") else {
                return .httpBadExpectation
            }
            // Without content there is nothing to continue with, so the expectation is not handed on.
            if hasContent, framing != .length(0) { flags.insert(.expectContinue) }
        }
        if let te = fields.value(of: .te), options.has(.te), bytes.isToken(te, "trailers") {
            flags.insert(.takesTrailers)
        }
        if framing != .open { fields.drop(.trailer) }
        return resolveUpgrade(bytes, fields, options, hasContent: hasContent)
    }

    /// An upgrade is handed on when a GET asks for one protocol that is not HTTP. Lists and HTTP itself are ignored,
    /// as a server may do with any upgrade (RFC 9110 §7.8).
    private mutating func resolveUpgrade(
        _ bytes: Span<UInt8>, _ fields: borrowing FieldTable, _ options: ConnectionOptions, hasContent: Bool
    ) -> WireReason? {
        guard let asked = fields.value(of: .upgrade), options.has(.upgrade), version == .http11, method == .get
        else { return nil }
        // A list asks for one of several; which one it became would have to be followed. Ignored as a whole.
        for index in asked.range where bytes[index] == 0x2c { return nil }
        guard UpgradeName.isProtocol(asked, in: bytes), !fields.isRepeated(.upgrade) else { return .httpBadUpgrade }
        if UpgradeName.isHTTP(asked, in: bytes) { return nil }
        if hasContent { return .httpUnexpectedContent }
        upgrade = asked
        flags.insert(.upgrade)
        return nil
    }
}

extension ResponseHead {
    /// Judges what concerns the head as a whole; `request` decides whether there can be content.
    mutating func resolve(
        _ bytes: Span<UInt8>, _ fields: inout FieldTable, to request: RequestFacts, rules: WireRules
    ) -> WireReason? {
        let said: Framing
        switch H1Framing.resolve(bytes, fields, version: version) {
        case .success(let found): said = found
        case .failure(let reason): return reason
        }
        var options = ConnectionOptions(most: rules.connectionOptions)
        if let reason = options.read(bytes, &fields) { return reason }
        if version == .http11 ? !options.has(.close) : options.has(.keepAlive) && !options.has(.close) {
            flags.insert(.keepAlive)
        }
        if status == 101 {
            guard request.asksUpgrade, options.has(.upgrade), fields.has(.upgrade), !fields.isRepeated(.upgrade) else {
                return .httpUnexpectedSwitch
            }
            flags.insert(.upgrade)
        }
        if status < 200 || status == 204 {
            // `Content-Length: 0` on a 204 is forbidden and common; it is left out of what is written on.
            guard said == .none || (status == 204 && said == .length(0)) else { return .httpUnexpectedContent }
            framing = .none
        } else if request.method == .connect && status < 300 {
            guard said == .none else { return .httpUnexpectedContent }
            framing = .none
            flags.insert(.upgrade)
        } else if request.method == .head || status == 304 {
            // The length is that of what is not sent; a peer that sends it all the same sends unsolicited bytes.
            // Chunks on a 304 are for nobody to read, and some readers would try.
            framing = status == 304 && said == .open ? .none : said
            flags.insert(.noContent)
        } else {
            framing = said == .none ? .untilClose : said
        }
        if framing == .untilClose { flags.remove(.keepAlive) }
        if framing != .open { fields.drop(.trailer) }
        return nil
    }
}

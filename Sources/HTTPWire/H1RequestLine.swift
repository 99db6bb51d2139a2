// SPDX-License-Identifier: Apache-2.0

extension RequestHead: StartLine {
    static var mayFollowEmptyLine: Bool { true }

    /// Reads `method SP target SP version CRLF` (RFC 9112 §3) with one space each, and tells the target's form.
    mutating func readLine(_ bytes: Span<UInt8>, at start: Int, rules: WireRules) -> Line {
        let end = bytes.count
        var index = start
        let methodStart = index
        while index < end, ByteClass.isToken(bytes[index]) { index += 1 }
        guard index < end else { return .incomplete }
        guard bytes[index] == 0x20, index > methodStart, index - methodStart <= rules.method else {
            return .refused(bytes[index] == 0x20 ? .httpBadMethod : .httpBadRequestLine)
        }
        methodName = ByteRange(methodStart, index)
        method = Method.named(methodName, in: bytes)
        index += 1
        let targetStart = index
        index = Target.endOfTarget(bytes, from: index)
        guard index < end else { return .incomplete }
        guard bytes[index] == 0x20 else {
            let isEnd = bytes[index] == 0x0d || bytes[index] == 0x0a
            return .refused(isEnd ? .httpBadRequestLine : .httpBadTarget)
        }
        guard readTarget(bytes, ByteRange(targetStart, index)) else { return .refused(.httpBadTarget) }
        index += 1
        guard index + 10 <= end, case .success(let found) = Self.version(bytes, at: index) else {
            return endWithoutVersion(bytes, at: index)
        }
        version = found
        guard bytes[index + 8] == 0x0d, bytes[index + 9] == 0x0a else {
            let isLineEnd = bytes[index + 8] == 0x0d || bytes[index + 8] == 0x0a
            return .refused(isLineEnd ? .httpBadLineEnd : .httpBadVersion)
        }
        return .next(index + 10)
    }

    /// What a line is that ends before a version, or in something else: the same however much of it has arrived.
    private func endWithoutVersion(_ bytes: Span<UInt8>, at index: Int) -> Line {
        if let lineFeed = bytes.firstLineFeed(from: index, to: min(bytes.count, index + 9)) {
            return .refused(lineFeed == index + 8 ? .httpBadLineEnd : .httpBadVersion)
        }
        guard index + 10 <= bytes.count, case .failure(let reason) = Self.version(bytes, at: index) else {
            return .incomplete
        }
        return .refused(reason)
    }

    /// Splits the target by its form; false where the method does not allow that form.
    private mutating func readTarget(_ bytes: Span<UInt8>, _ target: ByteRange) -> Bool {
        guard !target.isEmpty else { return false }
        let first = bytes[Int(target.start)]
        if method == .connect {
            form = .authority
            authority = target
            return Target.isAuthority(bytes, target, needsPort: true)
        }
        if first == 0x2f {
            form = .origin
            path = target
            return Target.isPath(bytes, target, isNormal: &hasNormalPath)
        }
        if first == 0x2a {
            form = .asterisk
            path = target
            return target.count == 1 && method == .options
        }
        guard let split = Target.splitAbsolute(bytes, target) else { return false }
        form = .absolute
        scheme = split.scheme
        authority = split.authority
        path = split.path
        return true
    }

    /// The version that the eight bytes at `index` spell; letters are capitals.
    static func version(_ bytes: Span<UInt8>, at index: Int) -> Result<HTTPVersion, WireReason> {
        let word = bytes.word(at: index)
        // "HTTP/1." as a little-endian word, and the minor digit above it.
        guard word & 0x00ff_ffff_ffff_ffff == 0x002e_312f_5054_5448 else {
            let isOther =
                word & 0x0000_00ff_ffff_ffff == 0x0000_002f_5054_5448
                && bytes[index + 5] &- 0x30 < 10 && bytes[index + 6] == 0x2e && bytes[index + 7] &- 0x30 < 10
            return .failure(isOther ? .httpUnsupportedVersion : .httpBadVersion)
        }
        switch bytes[index + 7] {
        case 0x31: return .success(.http11)
        case 0x30: return .success(.http10)
        case 0x32...0x39: return .failure(.httpUnsupportedVersion)
        default: return .failure(.httpBadVersion)
        }
    }
}

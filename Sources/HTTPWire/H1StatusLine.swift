// SPDX-License-Identifier: Apache-2.0

extension ResponseHead: StartLine {
    /// Reads `version SP 3DIGIT [SP reason] CRLF` (RFC 9112 §4). The reason is checked and forgotten.
    mutating func readLine(_ bytes: Span<UInt8>, at start: Int, rules: WireRules) -> Line {
        guard start + 14 <= bytes.count, case .success(let found) = RequestHead.version(bytes, at: start) else {
            return endWithoutVersion(bytes, at: start)
        }
        version = found
        guard bytes[start + 8] == 0x20 else { return .refused(.httpBadStatusLine) }
        for index in start + 9..<start + 12 {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return .refused(.httpBadStatusLine) }
            status = status * 10 + UInt16(digit)
        }
        guard status >= 100, status < 600 else { return .refused(.httpBadStatusLine) }
        var index = start + 12
        guard bytes[index] == 0x20 || bytes[index] == 0x0d else { return .refused(.httpBadStatusLine) }
        while true {
            index = H1FieldLine.endOfText(bytes, from: index)
            guard index < bytes.count else { return .incomplete }
            if bytes[index] != 0x09 { break }
            index += 1
        }
        guard bytes[index] == 0x0d else {
            return .refused(bytes[index] == 0x0a ? .httpBadLineEnd : .httpBadStatusLine)
        }
        guard index + 1 < bytes.count else { return .incomplete }
        return bytes[index + 1] == 0x0a ? .next(index + 2) : .refused(.httpBadLineEnd)
    }

    /// What a line is that is too short or begins with no version: the same however much of it has arrived.
    private func endWithoutVersion(_ bytes: Span<UInt8>, at start: Int) -> Line {
        if bytes.firstLineFeed(from: start, to: min(bytes.count, start + 13)) != nil {
            return .refused(.httpBadStatusLine)
        }
        guard start + 14 <= bytes.count, case .failure(let reason) = RequestHead.version(bytes, at: start) else {
            return .incomplete
        }
        return .refused(reason)
    }
}

// SPDX-License-Identifier: Apache-2.0

extension StoredHead {
    /// Bytes that stand before a request's names, values and fields: facts, the length of the content, five lengths.
    private static let requestBytes = 5 + 8 + 5 * 4

    /// Writes a request's head, so that the same request can be made again. What was dropped is not kept, and neither
    /// is `Expect`: whoever sends it again has the content at hand.
    ///
    /// - Parameter path: path and query in place of the head's own; empty for the head's own.
    public static func write(
        _ head: RequestHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, path: Span<UInt8>,
        into out: inout ByteWriter
    ) {
        out.append(head.method.rawValue)
        out.append(head.form.rawValue)
        out.append(head.version.rawValue)
        out.append(head.flags.subtracting(.expectContinue).rawValue)
        var length: UInt64 = 0
        switch head.framing {
        case .none: out.append(0)
        case .length(let count):
            length = count
            out.append(1)
        case .open: out.append(2)
        case .untilClose: out.append(3)
        }
        out.append(bigEndian: length, width: 8)
        out.append(bigEndian: UInt64(head.methodName.count), width: 4)
        out.append(bigEndian: UInt64(head.scheme.count), width: 4)
        out.append(bigEndian: UInt64(head.authority.count), width: 4)
        out.append(bigEndian: UInt64(path.count > 0 ? path.count : head.path.count), width: 4)
        out.append(bigEndian: UInt64(head.upgrade.count), width: 4)
        out.append(head.methodName, of: bytes)
        out.append(head.scheme, of: bytes)
        out.append(head.authority, of: bytes)
        if path.count > 0 { out.append(path) } else { out.append(head.path, of: bytes) }
        out.append(head.upgrade, of: bytes)
        write(fields, of: bytes, into: &out)
    }

    /// Reads a request's head that ``write(_:_:of:path:into:)`` wrote, as views of `bytes`; `nil` when it is none.
    public static func readRequest(_ bytes: Span<UInt8>, into fields: inout FieldTable) -> RequestHead? {
        guard bytes.count >= requestBytes, let method = Method(rawValue: bytes[0]),
            let form = TargetForm(rawValue: bytes[1]), let version = HTTPVersion(rawValue: bytes[2])
        else { return nil }
        var head = RequestHead()
        head.method = method
        head.form = form
        head.version = version
        head.flags = HeadFlags(rawValue: bytes[3])
        switch bytes[4] {
        case 0: head.framing = .none
        case 1: head.framing = .length(number(bytes, at: 5, width: 8))
        case 2: head.framing = .open
        default: head.framing = .untilClose
        }
        var start = requestBytes
        var parts = InlineArray<5, ByteRange>(repeating: .empty)
        for index in 0..<5 {
            let end = start + Int(truncatingIfNeeded: number(bytes, at: 13 + index * 4, width: 4))
            guard end <= bytes.count else { return nil }
            parts[index] = ByteRange(start, end)
            start = end
        }
        head.methodName = parts[0]
        head.scheme = parts[1]
        head.authority = parts[2]
        head.path = parts[3]
        head.upgrade = parts[4]
        readFields(bytes, from: start, into: &fields)
        return head
    }
}

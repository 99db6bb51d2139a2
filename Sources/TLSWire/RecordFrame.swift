// SPDX-License-Identifier: Apache-2.0

/// The frame of records (RFC 8446 §5): what can be told before a byte is decrypted.
enum RecordFrame {
    static let header = 5
    /// Content of a record.
    static let largestContent = 16 << 10
    /// What protection may add to it: type, padding, tag.
    static let largestBody = largestContent + 256
    /// What protection adds to each record that this side makes: header, type and tag.
    static let overhead = header + 1 + 16

    static let changeCipherSpec: UInt8 = 20
    static let alert: UInt8 = 21
    static let handshake: UInt8 = 22
    static let applicationBytes: UInt8 = 23

    /// What stands at the beginning of some bytes.
    enum Next: Equatable {
        /// A whole record of so many bytes, header included.
        case whole(Int)
        /// The beginning of one.
        case partial
        /// A record longer than any may be.
        case tooLong
        /// No record.
        case foreign
    }

    /// Looks at the record that begins at `offset`.
    @inline(__always)
    static func next(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Next {
        let count = bytes.count - offset
        if count > 0, !(changeCipherSpec...applicationBytes).contains(bytes[offset]) { return .foreign }
        if count > 1, bytes[offset + 1] != 3 { return .foreign }
        guard count >= header else { return .partial }
        let body = Int(bytes[offset + 3]) << 8 | Int(bytes[offset + 4])
        guard body <= largestBody else { return .tooLong }
        return count >= header + body ? .whole(header + body) : .partial
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The Connection fields of a head (RFC 9110 §7.6.1): what they ask for, and which fields go no further.
struct ConnectionOptions {
    enum Option: UInt8 { case close, keepAlive, upgrade, te }

    private let most: Int
    private var found: UInt8 = 0
    private var count = 0

    init(most: Int) { self.most = most }

    func has(_ option: Option) -> Bool { found & (1 &<< option.rawValue) != 0 }

    /// Reads all Connection fields and drops the fields that they name.
    ///
    /// Naming a field that is meant for the final recipient (Host, Authorization, X-Forwarded-For …) would take it away
    /// from those who rely on it, so such a head is refused rather than obeyed.
    mutating func read(_ bytes: Span<UInt8>, _ fields: inout FieldTable) -> WireReason? {
        guard let first = fields.value(of: .connection) else { return nil }
        // What nearly every head says, if it says anything.
        if !fields.isRepeated(.connection) {
            if bytes.isToken(first, "keep-alive") {
                set(.keepAlive)
                return nil
            }
            if bytes.isToken(first, "close") {
                set(.close)
                return nil
            }
        }
        for index in 0..<fields.count where fields[index].known == .connection {
            let value = fields[index].value
            if value.isEmpty { continue }
            if let reason = read(bytes, list: value, &fields) { return reason }
        }
        return nil
    }

    private mutating func read(_ bytes: Span<UInt8>, list: ByteRange, _ fields: inout FieldTable) -> WireReason? {
        var index = Int(list.start)
        while true {
            while index < list.end, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
            let start = index
            while index < list.end, ByteClass.isToken(bytes[index]) { index += 1 }
            let option = ByteRange(start, index)
            while index < list.end, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
            count += 1
            guard !option.isEmpty, index == list.end || bytes[index] == 0x2c, count <= most else {
                return .httpBadConnectionOption
            }
            if let reason = take(option, bytes, &fields) { return reason }
            if index == list.end { return nil }
            index += 1
        }
    }

    private mutating func take(_ option: ByteRange, _ bytes: Span<UInt8>, _ fields: inout FieldTable) -> WireReason? {
        if bytes.isToken(option, "close") {
            set(.close)
        } else if bytes.isToken(option, "keep-alive") {
            set(.keepAlive)
        } else if bytes.isToken(option, "upgrade") {
            set(.upgrade)
        } else {
            let known = KnownField.named(option, in: bytes)
            guard known.mayBeNominated else { return .httpBadConnectionOption }
            if known == .te { set(.te) }
            if known == .other {
                for index in 0..<fields.count where fields[index].known == .other {
                    if bytes.sameToken(fields[index].name, option) { fields[index].isDropped = true }
                }
            }
        }
        return nil
    }

    private mutating func set(_ option: Option) { found |= 1 &<< option.rawValue }
}

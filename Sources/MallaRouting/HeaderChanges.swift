// SPDX-License-Identifier: Apache-2.0

public import HTTPWire
import MallaModel

/// Changes of header fields, ready to be made without allocation: ``drop(from:of:)`` before the fields are written,
/// then ``name(_:)`` and ``value(_:)`` of each that is added.
public struct HeaderChanges: Sendable {
    private struct Piece: BitwiseCopyable, Sendable {
        var start: Int
        var end: Int
    }

    /// The bytes of all names and values.
    public let text: [UInt8]
    /// Names in small letters whose lines go: what is removed and what is set.
    private let dropped: [Piece]
    private let names: [Piece]
    private let values: [Piece]

    init(_ modification: HeaderModification) {
        var text: [UInt8] = []
        func piece(_ string: String, lowered: Bool) -> Piece {
            let start = text.count
            text += string.utf8.map { lowered && $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
            return Piece(start: start, end: text.count)
        }
        dropped = (modification.remove + modification.set.map(\.name)).map { piece($0, lowered: true) }
        let added = modification.set + modification.add
        names = added.map { piece($0.name, lowered: true) }
        values = added.map { piece($0.value, lowered: false) }
        self.text = text
    }

    /// Whether nothing changes.
    public var isEmpty: Bool { dropped.isEmpty && names.isEmpty }
    /// How many fields are added.
    public var added: Int { names.count }

    /// Leaves the fields that go out of what is written on.
    public func drop(from fields: inout FieldTable, of bytes: Span<UInt8>) {
        guard !dropped.isEmpty else { return }
        for line in 0..<fields.count where !fields[line].isDropped {
            let name = fields[line].name
            for piece in dropped where isSame(piece, name, bytes) {
                fields[line].isDropped = true
                break
            }
        }
    }

    /// Where in ``text`` the name of one of the fields that are added stands, in small letters.
    public func name(_ index: Int) -> Range<Int> { names[index].start..<names[index].end }

    /// Where in ``text`` its value stands.
    public func value(_ index: Int) -> Range<Int> { values[index].start..<values[index].end }

    private func isSame(_ piece: Piece, _ name: ByteRange, _ bytes: Span<UInt8>) -> Bool {
        guard piece.end - piece.start == name.count else { return false }
        for index in 0..<name.count {
            let byte = bytes[Int(name.start) + index]
            guard text[piece.start + index] == (byte &- 0x41 < 26 ? byte | 0x20 : byte) else { return false }
        }
        return true
    }
}

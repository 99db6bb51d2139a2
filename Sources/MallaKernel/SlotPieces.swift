// SPDX-License-Identifier: Apache-2.0
import CMallaABI

/// Alias tables as the kernel has them: in pieces of some slots, and pieces of a bit for each endpoint that a client may
/// keep.
extension ServiceEntry {
    /// The pieces of its table.
    var pieces: [(UInt32, malla_slots)] {
        let length = Int(MALLA_SLOT_PIECE)
        var pieces = stride(from: 0, to: slots.count, by: length).map { start in
            var piece = malla_slots()
            withUnsafeMutableBytes(of: &piece) { bytes in
                slots[start..<min(start + length, slots.count)].withUnsafeBytes { bytes.copyMemory(from: $0) }
            }
            return (UInt32(truncatingIfNeeded: start / length), piece)
        }
        guard !members.isEmpty else { return pieces }
        var kept: [UInt32: malla_slots] = [:]
        for endpoint in members {
            kept[malla_slots.piece(ofMember: endpoint), default: malla_slots()].add(member: endpoint)
        }
        pieces += kept.map { ($0, $1) }
        return pieces
    }
}

extension malla_slots {
    private static let memberBits = 32 * UInt32(MALLA_SLOT_MEMBER_WORDS)

    /// The piece that has the bit of an endpoint.
    static func piece(ofMember endpoint: UInt32) -> UInt32 { MALLA_SLOT_MEMBERS | endpoint / memberBits }

    /// Sets the bit of an endpoint.
    fileprivate mutating func add(member endpoint: UInt32) {
        withUnsafeMutableBytes(of: &self) { bytes in
            let words = bytes.bindMemory(to: UInt32.self)
            words[Int(endpoint / 32) % Int(MALLA_SLOT_MEMBER_WORDS)] |= 1 << (endpoint % 32)
        }
    }

    /// The slots, without those past the last of their table.
    var all: [malla_slot] {
        withUnsafeBytes(of: self) { $0.bindMemory(to: malla_slot.self).filter { $0.endpoint != 0 } }
    }

    /// The endpoints that the slots are of, each of which has a slot of its own.
    var endpoints: [UInt32] { all.map(\.endpoint) }

    /// The endpoints whose bits are set in this piece.
    func members(ofPiece piece: UInt32) -> [UInt32] {
        let first = (piece & ~MALLA_SLOT_MEMBERS) &* Self.memberBits
        return withUnsafeBytes(of: self) { bytes in
            let words = bytes.bindMemory(to: UInt32.self).prefix(Int(MALLA_SLOT_MEMBER_WORDS))
            return words.indices.flatMap { word in
                (0..<32 as Range<UInt32>).filter { words[word] >> $0 & 1 != 0 }.map {
                    first &+ UInt32(truncatingIfNeeded: word) * 32 + $0
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPFKit

/// A map that the daemon holds by a descriptor besides its pin.
final class KeptMap: Sendable {
    /// Its pin's.
    let name: String
    /// Holds it.
    let map: RawMap

    private init(_ name: String, _ pins: PinFolder) throws {
        self.name = name
        map = try RawMap(pinned: pins.map(name))
    }

    /// All that are pinned.
    static func all(_ pins: PinFolder) throws -> [KeptMap] {
        try Folder.names(pins.maps).map { try KeptMap($0, pins) }
    }
}

// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaModel

extension ServiceEntry {
    /// Adds what a service needs that asks for more than a draw by weight.
    ///
    /// - Parameter hashed: what a Maglev table goes by, for the number of an endpoint.
    mutating func balance(
        _ balancing: LoadBalancing, _ weighted: [Snapshot.WeightedEndpoint],
        _ hashed: (UInt32) throws -> UInt64
    ) throws {
        guard balancing.algorithm != nil || balancing.affinity > 0 else { return }
        value.flags |= MALLA_SERVICE_BALANCED.rawValue
        value.affinity = balancing.affinity
        if balancing.affinity > 0 { members = weighted.map(\.endpoint).sorted() }
        switch balancing.algorithm {
        case .leastConnections: value.flags |= MALLA_SERVICE_LEAST.rawValue
        case .maglev:
            if balancing.hashKey == .socket { value.flags |= MALLA_SERVICE_BY_SOCKET.rawValue }
            let table = MaglevTable(try weighted.map { (key: try hashed($0.endpoint), weight: $0.weight) })
            value.maglev = UInt32(truncatingIfNeeded: table.slots.count)
            maglev = Self.pieces(table.slots.map { weighted[Int($0)].endpoint })
        case .weightedRandom, nil: break
        }
    }

    private static func pieces(_ slots: [UInt32]) -> [malla_maglev] {
        let length = Int(MALLA_MAGLEV_PIECE)
        return stride(from: 0, to: slots.count, by: length).map { start in
            var piece = malla_maglev()
            withUnsafeMutableBytes(of: &piece) { bytes in
                slots[start..<min(start + length, slots.count)].withUnsafeBytes { bytes.copyMemory(from: $0) }
            }
            return piece
        }
    }
}

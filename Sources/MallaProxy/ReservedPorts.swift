// SPDX-License-Identifier: Apache-2.0

/// Ports of this node that are for nobody from elsewhere: where captured connections, tunnels, issuance, metrics and DNS
/// are by default, and where the daemon says that they are.
struct ReservedPorts: Sendable {
    private static let usual: ClosedRange<UInt16> = 15_000...15_099
    private let told: Set<UInt16>

    init(_ told: [UInt16] = []) { self.told = Set(told) }

    func contains(_ port: UInt16) -> Bool { Self.usual.contains(port) || told.contains(port) }
}

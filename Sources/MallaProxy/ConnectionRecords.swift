// SPDX-License-Identifier: Apache-2.0

import CMallaABI
public import Reactor

/// The kernel's records of captured connections: the map `malla_connections`, by a descriptor that the daemon handed
/// over. Closed when the last view that uses it is gone.
public final class ConnectionRecords: Sendable {
    private let map: Descriptor

    /// Takes over a descriptor of the map; looking up is all that is done with it.
    public init(map: consuming Descriptor) { self.map = map }

    /// What the kernel knows of an accepted socket; `nil`: it was not captured, or its record was lost.
    func record(of socket: Int32) -> malla_connection? {
        var record = malla_connection()
        return Socket.record(of: socket, in: map.number, into: &record) == 0 ? record : nil
    }
}

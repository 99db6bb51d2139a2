// SPDX-License-Identifier: Apache-2.0

import CMallaABI
public import MallaLink
public import Reactor

/// The kernel's records of captured connections: the map `malla_connections`, by a descriptor that the daemon handed
/// over. Closed when the last view that uses it is gone.
public final class ConnectionRecords: Sendable {
    private let map: Descriptor

    /// Takes over a descriptor of the map; looking up is all that is done with it.
    ///
    /// - Throws: `LinkError` when it is no such map, or one whose records have another size than this program reads: the
    ///   kernel would write past the end of ours.
    public init(map: consuming Descriptor) throws(LinkError) {
        let size: Int
        do throws(SystemError) {
            size = try Socket.recordSize(in: map.number)
        } catch {
            throw LinkError("\(error)")
        }
        guard size == MemoryLayout<malla_connection>.size else {
            throw LinkError(
                "connection records of the kernel have \(size) bytes, this proxy reads "
                    + "\(MemoryLayout<malla_connection>.size): they are of another version; restart the proxy")
        }
        self.map = map
    }

    /// What the kernel knows of an accepted socket; `nil`: it was not captured, or its record was lost.
    func record(of socket: Int32) -> malla_connection? {
        var record = malla_connection()
        return Socket.record(of: socket, in: map.number, into: &record) == 0 ? record : nil
    }
}

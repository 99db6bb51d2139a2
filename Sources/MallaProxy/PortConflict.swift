// SPDX-License-Identifier: Apache-2.0

public import MallaModel
import Reactor

/// Another daemon's proxy listens where this one has to: each would get connections that are meant for the other.
public struct PortConflict: Error, CustomStringConvertible {
    /// Where.
    public let address: SocketAddress

    /// What, and what to do about it.
    public var description: String {
        "\(address) is another daemon's proxy's, too, in this network namespace, and each would get connections of both: "
            + "give each daemon a --proxy-port of its own and each Node a tunnelPort, or end the other daemon's proxy, "
            + "which `ss -ltnp sport = :\(address.port)` names"
    }

    /// Looks for others at addresses where this process is bound already, so that of two that start at the same time at
    /// least one sees the other. A proxy of the same daemon is none: its cgroup is the same.
    ///
    /// - Parameter own: a socket of this process that listens somewhere.
    static func check(_ addresses: [SocketAddress], own: Int32) throws(PortConflict) {
        for address in addresses
        where SharedPort.hasOthers(at: address.address.inlineBytes, port: address.port, own: own) {
            throw PortConflict(address: address)
        }
    }
}

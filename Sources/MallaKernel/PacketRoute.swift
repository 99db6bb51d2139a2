// SPDX-License-Identifier: Apache-2.0
import CLinux
import CMallaABI
import Glibc

/// The routing rule that lets packets for somebody else end at this node, when a program gave them to a socket here.
enum PacketRoute {
    /// Makes the rule and its route for both families; what is there stays. A node without IPv6 gets it for IPv4.
    static func add() throws {
        for family in [AF_INET, AF_INET6] {
            var route = route(family)
            let result = linux_local_route_add(&route)
            guard result == 0 || (family == AF_INET6 && (result == -EAFNOSUPPORT || result == -EOPNOTSUPP)) else {
                throw KernelError(
                    .system, "cannot make the routing rule for captured packets: \(text(0 &- result))",
                    hint: "the daemon needs CAP_NET_ADMIN")
            }
        }
    }

    /// Removes both; what is not there is no error.
    static func remove() throws {
        for family in [AF_INET, AF_INET6] {
            var route = route(family)
            let result = linux_local_route_remove(&route)
            guard result == 0 || (family == AF_INET6 && result == -EOPNOTSUPP) else {
                throw KernelError(.system, "cannot remove the routing rule for captured packets: \(text(0 &- result))")
            }
        }
    }

    private static func route(_ family: CInt) -> linux_local_route {
        linux_local_route(
            family: family, mark: MALLA_MARK, mask: MALLA_MARK_MASK, table: MALLA_ROUTE_TABLE,
            priority: MALLA_ROUTE_PRIORITY)
    }

    private static func text(_ code: CInt) -> String { String(cString: strerror(code)) }
}

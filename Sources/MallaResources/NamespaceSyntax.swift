// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// What the names and addresses of network namespaces and containers may look like.
extension Syntax {
    /// A network namespace: the path of a file that names it, or a file's name below `/run/netns`.
    static func networkNamespace(_ text: String) -> Flaw? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).drop { $0.isEmpty }
        let isPlace =
            !parts.isEmpty && text.utf8.count <= 4000 && (text.hasPrefix("/") || parts.count == 1)
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255 }
            && !text.utf8.contains { $0 < 0x20 || $0 == 0x7f }
        return isPlace
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" names no network namespace",
                hint: "Write its name below /run/netns, or a whole path such as /proc/4711/ns/net")
    }

    /// The id of a container, or how it begins.
    static func container(_ text: String) -> Flaw? {
        let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
        let isID = (8...128).contains(text.utf8.count) && text.allSatisfy { allowed.contains($0) }
        return isID
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no container id",
                hint: "Write the id, or at least its first 8 characters: podman ps --no-trunc")
    }

    /// The addresses of a workload in a network namespace of its own: packets with others are dropped.
    static func namespaceAddresses(_ addresses: [Address]) -> Flaw? {
        if addresses.contains(where: { $0.isLoopback || $0.isUnspecified }) {
            return Flaw(
                message: "a workload with a networkNamespace or container of its own cannot be reached by loopback",
                hint: "Write its interfaces' addresses in spec.addresses")
        }
        if addresses.count > mostNamespaceAddresses {
            return Flaw(
                message: "a workload with a networkNamespace or container of its own has \(addresses.count) addresses",
                hint: "At most \(mostNamespaceAddresses) are allowed")
        }
        return nil
    }

    /// `MALLA_INTERFACE_ADDRESSES`: what the kernel compares each packet's source with.
    static let mostNamespaceAddresses = 8
}

// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// The names of the mesh: `backend`, `backend.default`, `backend.default.malla` and
/// `backend.default.svc.cluster.local` for every service.
public struct MeshNames: Sendable, Equatable {
    /// What is known of a name.
    public enum Finding: Sendable, Equatable {
        /// A service with these virtual addresses.
        case service([Address])
        /// The mesh's own domain, and no service in it.
        case nothing
        /// Somebody else's.
        case foreign
    }

    /// Everything below it is the mesh's.
    public static let domain = "malla"
    private static let clusterDomain = "svc.cluster.local"

    private let services: [ObjectName: [Address]]

    /// The names of these services.
    public init(_ services: [Snapshot.Service] = []) {
        self.services = Dictionary(services.map { ($0.name, $0.addresses) }) { $1 }
    }

    /// Looks up a name in lower case, without the last dot.
    public func find(_ name: String) -> Finding {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let own = labels.last == Self.domain
        guard let service = service(labels), let addresses = services[service] else {
            return own ? .nothing : .foreign
        }
        return .service(addresses)
    }

    private func service(_ labels: [String]) -> ObjectName? {
        switch labels.count {
        case 1: ObjectName(labels[0])
        case 2: ObjectName(labels[0], namespace: labels[1])
        case 3 where labels[2] == Self.domain: ObjectName(labels[0], namespace: labels[1])
        case 5 where labels[2...].joined(separator: ".") == Self.clusterDomain:
            ObjectName(labels[0], namespace: labels[1])
        default: nil
        }
    }
}

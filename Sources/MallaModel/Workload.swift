// SPDX-License-Identifier: Apache-2.0

/// `malla.dev/v1/Workload`: an instance of an application on a node, and how to recognise it there.
public struct Workload: Hashable, Sendable {
    /// One port that the workload listens on.
    public struct Port: Hashable, Sendable {
        /// What a service's `targetPort` may name it; empty for none.
        public var name: String
        /// The number.
        public var port: UInt16

        /// One port of a workload.
        public init(name: String = "", port: UInt16) {
            self.name = name
            self.port = port
        }
    }

    /// How its processes are recognised.
    public enum Match: Hashable, Sendable {
        /// Started by `malla run`: the cgroup under the mesh's root that the daemon made.
        case run
        /// The cgroup at this path below the cgroup v2 mount.
        case cgroup(String)
        /// The cgroup of this systemd unit.
        case systemdUnit(String)
        /// All that lives in this network namespace: a path, or a name below `/run/netns`.
        case networkNamespace(String)
        /// The container with this id, or whose id begins so: its network namespace, and its cgroup where it has one.
        case container(String)

        /// Whether the workload has a network namespace of its own.
        public var isNamespace: Bool {
            switch self {
            case .networkNamespace, .container: true
            case .run, .cgroup, .systemdUnit: false
            }
        }
    }

    /// What workloads of one kind have in common: one value for all of them, see ``SharedParts``.
    struct Kind: Hashable, Sendable {
        var namespace: String
        var labels: [String: String]
        var serviceAccount: String
        var ports: [Port]
        var weight: UInt32
        var locality: Locality
        var node: String?
    }

    /// Nearly every workload has one address: no array for it.
    private enum Places: Hashable, Sendable {
        case one(Address)
        case list([Address])

        init(_ addresses: [Address]) {
            if addresses.count == 1 { self = .one(addresses[0]) } else { self = .list(addresses) }
        }

        var addresses: [Address] {
            switch self {
            case .one(let address): [address]
            case .list(let addresses): addresses
            }
        }
    }

    private struct Fields: Hashable, Sendable {
        var name: String
        var match: Match
        var places: Places
        var kind: Shared<Kind>
    }

    /// Shared by all copies until one of them is changed: a mesh has a hundred thousand, in several tables.
    private var fields: Shared<Fields>

    /// What it has in common with others.
    var kind: Shared<Kind> {
        get { fields.value.kind }
        set { fields.value.kind = newValue }
    }

    /// Unique among workloads.
    public var name: ObjectName {
        get { ObjectName(fields.value.name, namespace: kind.value.namespace) }
        set { (fields.value.name, kind.value.namespace) = (newValue.name, newValue.namespace) }
    }
    /// What selectors see.
    public var labels: [String: String] {
        get { kind.value.labels }
        set { kind.value.labels = newValue }
    }
    /// Who it is, together with its namespace and the mesh's trust domain. `default` where none is written.
    public var serviceAccount: String {
        get { kind.value.serviceAccount }
        set { kind.value.serviceAccount = newValue }
    }
    /// How its processes are recognised.
    public var match: Match {
        get { fields.value.match }
        set { fields.value.match = newValue }
    }
    /// Where it listens.
    public var ports: [Port] {
        get { kind.value.ports }
        set { kind.value.ports = newValue }
    }
    /// Where it can be reached; where none is written, its node's addresses, or `127.0.0.1` where it names no node.
    public var addresses: [Address] {
        get { fields.value.places.addresses }
        set { fields.value.places = Places(newValue) }
    }
    /// Its share among the endpoints of a service; 0 takes it out. 1 where none is written.
    public var weight: UInt32 {
        get { kind.value.weight }
        set { kind.value.weight = newValue }
    }
    /// Where it runs; what is not written is the node's.
    public var locality: Locality {
        get { kind.value.locality }
        set { kind.value.locality = newValue }
    }
    /// The node that it runs on; `nil`: whichever finds it.
    public var node: String? {
        get { kind.value.node }
        set { kind.value.node = newValue }
    }

    /// A workload.
    public init(
        name: ObjectName, labels: [String: String] = [:], serviceAccount: String = "default", match: Match,
        ports: [Port] = [], addresses: [Address] = [.loopback4], weight: UInt32 = 1, locality: Locality = Locality(),
        node: String? = nil
    ) {
        let kind = Kind(
            namespace: name.namespace, labels: labels, serviceAccount: serviceAccount, ports: ports, weight: weight,
            locality: locality, node: node)
        fields = Shared(Fields(name: name.name, match: match, places: Places(addresses), kind: Shared(kind)))
    }
}

extension Workload {
    /// The address from which it connects to `other`, as policy sees it: its first one of that family, or else its
    /// first one. `::` when it has none.
    public func address(likeThatOf other: Address) -> Address {
        addresses.first { $0.isIPv4 == other.isIPv4 } ?? addresses.first ?? .unspecified
    }
}

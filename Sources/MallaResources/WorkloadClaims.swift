// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// What workloads of one node cannot share: cgroups, and ports of addresses. Ports of addresses that are not a node's
/// loopback no two workloads of the mesh can share.
struct WorkloadClaims {
    /// Something that a workload has and another one had before.
    struct Clash {
        /// The one that had it before.
        var other: ObjectName
        var what: String
        var field: String
        /// The place that was remembered for it.
        var place: String
        var hint: String
    }

    private struct Processes: Hashable {
        var node: String
        var match: Workload.Match
    }

    private struct Place: Hashable {
        /// Empty where the address is one of the whole network.
        var node: String
        var address: SocketAddress
    }

    /// The node on which workloads run that name none; `nil`: nobody knows, so only those that name the same are
    /// compared.
    private let here: String?
    private var matches: [Processes: ObjectName] = [:]
    private var addresses: [Place: ObjectName] = [:]

    init(here: String? = nil) { self.here = here }

    /// Adds `workload`, and answers what it cannot have.
    mutating func add(_ workload: Workload) -> [Clash] {
        var clashes: [Clash] = []
        let match = workload.match
        let node = workload.node ?? here ?? ""
        let processes = Processes(node: node, match: match)
        if match != .run {
            if let other = matches[processes] {
                clashes.append(
                    Clash(
                        other: other, what: "it has the processes of \(match.words)", field: "spec.match",
                        place: "match", hint: "A process belongs to one workload"))
            } else {
                matches[processes] = workload.name
            }
        }
        for (index, port) in workload.ports.enumerated() {
            for address in workload.addresses {
                let isOfNode = address.isLoopback || address.isUnspecified
                let place = Place(node: isOfNode ? node : "", address: SocketAddress(address, port.port))
                if let other = addresses[place], other != workload.name {
                    clashes.append(
                        Clash(
                            other: other, what: "it has \(place.address)", field: "spec.ports[\(index)].port",
                            place: "port \(port.port)", hint: "Give one of them another port or address"))
                } else {
                    addresses[place] = workload.name
                }
            }
        }
        return clashes
    }
}

extension Workload.Match {
    fileprivate var words: String {
        switch self {
        case .run: "malla run"
        case .cgroup(let path): "cgroup \(path)"
        case .systemdUnit(let unit): "systemd unit \(unit)"
        case .networkNamespace(let name): "network namespace \(name)"
        case .container(let id): "container \(id)"
        }
    }
}

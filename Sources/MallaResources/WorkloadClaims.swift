// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// What workloads of one node cannot share: cgroups, and ports of addresses.
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

    private var matches: [Workload.Match: ObjectName] = [:]
    private var addresses: [SocketAddress: ObjectName] = [:]

    /// Adds `workload`, and answers what it cannot have.
    mutating func add(_ workload: Workload) -> [Clash] {
        var clashes: [Clash] = []
        let match = workload.match
        if match != .run {
            if let other = matches[match] {
                clashes.append(
                    Clash(
                        other: other, what: "it has the processes of \(match.words)", field: "spec.match",
                        place: "match", hint: "A process belongs to one workload"))
            } else {
                matches[match] = workload.name
            }
        }
        for (index, port) in workload.ports.enumerated() {
            for address in workload.addresses {
                let place = SocketAddress(address, port.port)
                if let other = addresses[place], other != workload.name {
                    clashes.append(
                        Clash(
                            other: other, what: "it has \(place)", field: "spec.ports[\(index)].port",
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

// SPDX-License-Identifier: Apache-2.0

public import MallaModel

extension Snapshot {
    /// The same without what is on other nodes: for a proxy that knows no tunnels, and would connect there in clear.
    public var ofThisNode: Snapshot {
        let remote = Set(endpoints.filter { $0.node != 0 }.map(\.number))
        guard !remote.isEmpty || !nodes.isEmpty else { return self }
        var copy = self
        copy.nodes = []
        copy.endpoints.removeAll { $0.node != 0 }
        for service in copy.services.indices {
            for port in copy.services[service].ports.indices {
                copy.services[service].ports[port].endpoints4.removeAll { remote.contains($0.endpoint) }
                copy.services[service].ports[port].endpoints6.removeAll { remote.contains($0.endpoint) }
                copy.services[service].ports[port].standby.subtract(remote)
            }
        }
        return copy
    }
}

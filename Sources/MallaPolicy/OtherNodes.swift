// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// The nodes of a mesh besides this one, and which workloads run there.
struct OtherNodes: Sendable {
    private struct Row: Sendable {
        var number: UInt32
        var node: MeshNode
    }

    private let here: String
    private var rows: [String: Row] = [:]

    /// All of `nodes` but the one called `here`, with numbers from `book`.
    init(_ nodes: some Sequence<MeshNode>, here: String, book: inout NumberBook) {
        self.here = here
        for node in nodes.sorted(by: { $0.name < $1.name }) where node.name != here {
            rows[node.name] = Row(number: book.nodes.number(node.name), node: node)
        }
    }

    /// As snapshots have them.
    var snapshot: [Snapshot.Node] {
        rows.values.compactMap { row in
            row.node.tunnels.first.map {
                Snapshot.Node(
                    number: row.number, name: row.node.name, tunnel: $0, addresses: row.node.addresses)
            }
        }.sorted { $0.number < $1.number }
    }

    /// The node that `workload` runs on; `nil`: this one, or whichever finds it.
    func node(of workload: Workload) -> EndpointTable.Elsewhere? {
        guard !rows.isEmpty, let name = workload.node, name != here, let row = rows[name] else { return nil }
        return EndpointTable.Elsewhere(node: row.number, addresses: row.node.addresses)
    }

    /// Where the node is that `workload` runs on, where that is another one.
    func locality(of workload: Workload) -> Locality? {
        guard !rows.isEmpty, let name = workload.node, name != here else { return nil }
        return rows[name]?.node.locality
    }
}

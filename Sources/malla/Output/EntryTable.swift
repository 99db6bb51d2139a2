// SPDX-License-Identifier: Apache-2.0
import MallaAPI

/// The entries of a map as a table: a column for each field that any of them has, keys before values.
struct EntryTable {
    /// The table.
    let table: Table

    /// What stands first wherever it occurs: from the general to the particular.
    private static let order = [
        "generation", "scope", "table", "index", "address", "port", "protocol", "number", "cgroup", "source",
        "source_workload", "destination", "target", "target_workload", "service", "path", "direction", "reason",
        "endpoint", "at", "workload", "identity", "deny_rule", "allow_rule", "default_rule", "default_reason",
        "opened", "closed", "failed", "denied", "sent", "received",
    ]

    /// A table of these entries, in their order.
    init(_ entries: [MapEntryView]) {
        let keys = Self.fields(entries.map(\.key))
        let values = Self.fields(entries.map(\.value))
        let columns = (keys + values).map { name in
            Column(name.split(separator: "_").joined(separator: " ").uppercased())
        }
        table = Table(
            columns: columns,
            rows: entries.map { entry in
                keys.map { Cell(entry.key[$0] ?? "", .cyan) } + values.map { Cell(entry.value[$0] ?? "") }
            })
    }

    private static func fields(_ entries: [[String: String]]) -> [String] {
        Set(entries.flatMap(\.keys)).sorted { a, b in
            let (first, second) = (order.firstIndex(of: a) ?? .max, order.firstIndex(of: b) ?? .max)
            return (first, a) < (second, b)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension Workload {
    /// Reads `probes` of a MeshConfig: how the node's probes are found; `nil` after problems.
    static func probes(_ value: Value) -> [Match]? {
        guard let entries = value.list(), isShort(entries, value) else { return nil }
        var probes: [Match] = []
        for entry in entries {
            guard let match = match(entry) else { continue }
            if match.isNamespace {
                entry.fail(
                    "a probe runs in the node's own network namespace", hint: "Write cgroup or systemdUnit")
            } else if probes.contains(match) {
                entry.fail("the probe is in the list twice", hint: "Remove one")
            } else {
                probes.append(match)
            }
        }
        return probes.count == entries.count ? probes : nil
    }
}

// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaKernel
import MallaModel
import MallaSources

/// Processes of the node that workloads let in whatever policy says, because they probe health.
extension Node {
    /// Finds the probes' cgroups, puts the hooks on them that tell their connections apart, and admits them.
    ///
    /// One that is not there, or that the hooks refuse, is left out: it is then refused where policy says so.
    ///
    /// - Returns: their cgroups.
    func captureProbes(_ probes: [Workload.Match], besides workloads: [ObjectName: Placement]) -> Set<UInt64> {
        let taken = Set(workloads.values.map(\.cgroup))
        let found = probes.compactMap { settings.tree.placement(of: Workload(probe: $0)) }
            .filter { !taken.contains($0.cgroup) }
        do {
            // Before they have hooks, which refuse whoever nobody knows.
            try kernel.admit(probes: Set(found.map(\.cgroup)))
            for placement in found where !placement.cgroupPath.hasPrefix(settings.tree.root + "/") {
                try kernel.attach(cgroup: placement.cgroupPath)
            }
        } catch {
            logger.error("probes cannot be told apart and are judged as anybody", metadata: ["error": "\(error)"])
        }
        return Set(found.map(\.cgroup))
    }
}

extension Workload {
    /// What finds a probe as a workload is found.
    init(probe match: Match) {
        self.init(name: ObjectName("probe", namespace: "malla-system"), match: match)
    }
}

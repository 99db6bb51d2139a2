// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI

/// Probes of the node: processes whose connections workloads let in whatever policy says.
extension KernelNode {
    /// Makes these cgroups those of probes, and no others. Their hooks must be there already.
    ///
    /// A cgroup that is a workload's stays that.
    public func admit(probes: Set<UInt64>) throws {
        try alone { _, _ in
            let present = try maps.workloads.entries()
            let others = Set(present.filter { $0.value.flags & MALLA_WORKLOAD_PROBE.rawValue == 0 }.map(\.key))
            let former = Set(present.map(\.key)).subtracting(others)
            let probe = malla_workload(
                workload: 0, identity: UInt32(MALLA_IDENTITY_PROBE), flags: MALLA_WORKLOAD_PROBE.rawValue, reserved: 0)
            try maps.changing { change in
                try maps.workloads.update(
                    probes.subtracting(others).subtracting(former).sorted().map { (key: $0, value: probe) }, in: change)
                try maps.workloads.delete(former.subtracting(probes).sorted(), in: change)
            }
        }
    }
}

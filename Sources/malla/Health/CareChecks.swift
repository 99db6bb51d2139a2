// SPDX-License-Identifier: Apache-2.0
import MallaAPI
import MallaKernel

/// What the daemon had to mend.
struct CareChecks {
    /// What the daemon says of the node.
    var status: StatusView

    /// Nothing when the daemon is of a version that does not tell.
    var findings: [Finding] {
        if let problem = status.kernelProblem {
            return [.failed("care", "the kernel side is not whole: \(problem)", "systemctl restart mallad")]
        }
        guard let repairs = status.repairs else { return [] }
        return [
            repairs == 0
                ? .ok("care", "nobody took anything away from the node since the daemon started")
                : .warning(
                    "care",
                    "somebody took links or pins away, the daemon put back \(repairs); connections may have gone past it",
                    "find out who: journalctl -u mallad | grep 'took away'")
        ]
    }
}

/// What the programs could not do, counted since they were first loaded.
struct LossChecks {
    /// What the programs count about themselves.
    var statistics: KernelStatistics

    /// One for each kind of loss that there was; one if there was none.
    var findings: [Finding] {
        var findings: [Finding] = []
        if statistics.storageFailed > 0 {
            findings.append(
                .warning(
                    "loss-records",
                    "\(statistics.storageFailed) sockets found no memory for a record, their connects were refused",
                    "look for memory limits on the workloads' cgroups: memory.max, memory.events"))
        }
        if statistics.handoffsMissed > 0 {
            findings.append(
                .warning(
                    "loss-handoffs",
                    "\(statistics.handoffsMissed) accepted connections found no record of who connected",
                    "connections past the mesh do that; if the proxy refuses not_captured: malla maps show handoffs"))
        }
        if statistics.countersOverflow > 0 {
            findings.append(
                .warning(
                    "loss-counters",
                    "\(statistics.countersOverflow) connections were counted without labels: the map is full",
                    "malla maps show counters"))
        }
        guard findings.isEmpty else { return findings }
        return [.ok("loss", "every connection had its record and its counter")]
    }
}

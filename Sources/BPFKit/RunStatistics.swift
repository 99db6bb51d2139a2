// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// Makes the kernel measure how often and how long every BPF program of the machine runs, while this value lives: see
/// ``ProgramDescription/runTime``. Two readings of the clock for each run, some tens of nanoseconds.
public struct RunStatistics: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Begins to measure. Kernel 5.8.
    ///
    /// - Throws: ``BPFError``: EPERM without CAP_SYS_ADMIN.
    public init() throws {
        descriptor = Descriptor(
            owning: try checked(bpf_enable_stats(BPF_STATS_RUN_TIME), "enable", "run statistics of programs"))
    }
}

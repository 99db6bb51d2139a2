// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Synchronization

/// Counts what workloads send and receive by UDP, in datagrams and bytes.
///
/// Two programs on tracepoints that every send and receive of the machine passes: about 0.12 µs for each such call, of
/// anybody. So they are attached only while somebody wants it. They go with this process: what is moved while no daemon
/// runs is not counted, though still judged. Any thread.
public final class DatagramVolume: Sendable {
    private let programs: [KernelProgram]
    private let links = Mutex<[HeldLink]>([])
    /// Why this kernel cannot do it; `nil`: it can.
    public let obstacle: String?

    init(_ programs: ProgramSet) {
        self.programs = programs.programs.filter { $0.program.attachType == .tracepoint }
        self.obstacle = programs.refused["volume"]
    }

    /// Whether it counts now.
    public var isCounting: Bool { links.withLock { !$0.isEmpty } }

    /// Begins or ends to count; nothing happens when that is so already, or on a kernel that cannot.
    ///
    /// - Throws: `BPFError` when the kernel refuses a program at its tracepoint; then nothing is counted.
    public func count(_ wanted: Bool) throws {
        try links.withLock { links in
            guard wanted == links.isEmpty else { return }
            links = wanted ? try programs.map { HeldLink(try BPFLink(tracing: $0.program)) } : []
        }
    }
}

/// A link in a collection; the program is taken off when it goes.
private final class HeldLink: Sendable {
    private let link: BPFLink

    init(_ link: consuming BPFLink) { self.link = link }
}

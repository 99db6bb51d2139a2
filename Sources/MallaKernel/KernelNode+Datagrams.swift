// SPDX-License-Identifier: Apache-2.0

/// Datagrams between sockets of this node.
extension KernelNode {
    /// Judges datagrams of this node's own processes at the workloads that they come to, or stops doing so. It costs every
    /// packet on loopback a program that passes TCP at once, so it is for nodes with services over UDP. Outlives the
    /// daemon.
    ///
    /// - Throws: `BPFError` where the kernel refuses the program; then the guard is as it was.
    public func guardDatagrams(_ wanted: Bool) throws {
        try alone { _, _ in
            try NamespaceGuard(pins: pins, programs: programs.programs, way: interfaceCapture.way)
                .guardDatagrams(wanted)
        }
    }
}

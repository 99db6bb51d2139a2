// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaKernel
import Synchronization

/// Takes away what deltas left in the kernel, on a thread of its own, as the daemon does.
final class Settler: Sendable {
    private struct State {
        var isOver = false
        var processor: Double?
        var error: (any Error)?
    }

    private let state = Mutex(State())

    /// Begins, and goes on until ``end()``.
    init(_ kernel: KernelNode) throws {
        try Background.start { [self] in
            var error: (any Error)?
            do {
                while state.withLock({ !$0.isOver }) {
                    try kernel.settle()
                    usleep(1000)
                }
                try kernel.settle()
            } catch let failure {
                error = failure
            }
            let processor = Figures.processor()
            state.withLock { ($0.processor, $0.error) = (processor, error) }
        }
    }

    /// Ends it and answers the CPU time that it took, in seconds.
    func end() throws -> Double {
        state.withLock { $0.isOver = true }
        while true {
            let (processor, error) = state.withLock { ($0.processor, $0.error) }
            if let error { throw error }
            if let processor { return processor }
            usleep(1000)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What stands in the way of being ready, at hand while the node itself is busy: a change of a large mesh takes seconds, and
/// who asks meanwhile gets an answer at once.
final class Obstacles: Sendable {
    private struct State {
        var kernel: String?
        var resources: String?
    }

    private let state = Mutex(State())

    /// Why the kernel side is not whole; `nil`: it is.
    var kernel: String? {
        get { state.withLock { $0.kernel } }
        set { state.withLock { $0.kernel = newValue } }
    }

    /// Why the directory's resources are not in force; `nil`: nothing is known to be wrong with them.
    var resources: String? {
        get { state.withLock { $0.resources } }
        set { state.withLock { $0.resources = newValue } }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The view in force, as workers see it: they compare one number in each turn, and take the lock only when it changed.
final class Publication: Sendable {
    private let view = Mutex<View?>(nil)
    private let counter = Atomic<UInt64>(0)

    /// Grows with each publication.
    var epoch: UInt64 { counter.load(ordering: .acquiring) }

    /// The view and its epoch.
    var current: (View?, UInt64) { view.withLock { ($0, counter.load(ordering: .relaxed)) } }

    /// Puts a view into force. Wake the workers afterwards.
    func publish(_ next: View) {
        view.withLock {
            $0 = next
            counter.add(1, ordering: .releasing)
        }
    }
}

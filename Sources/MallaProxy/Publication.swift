// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What is in force, as workers see it: they compare one number in each turn, and take the lock only when it changed.
final class Publication<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let counter = Atomic<UInt64>(0)

    /// Grows with each publication.
    var epoch: UInt64 { counter.load(ordering: .acquiring) }

    /// What is in force, and its epoch.
    var current: (Value?, UInt64) { value.withLock { ($0, counter.load(ordering: .relaxed)) } }

    /// Puts it into force. Wake the workers afterwards.
    func publish(_ next: Value) {
        value.withLock {
            $0 = next
            counter.add(1, ordering: .releasing)
        }
    }
}

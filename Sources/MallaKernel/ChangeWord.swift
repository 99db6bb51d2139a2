// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Synchronization

/// The number by which programs know whether what they read is being changed: odd meanwhile, else even. It only grows, also
/// where a map is made anew; bpf/lib/changes.h says what programs make of it.
///
/// Changes may contain each other, and several threads may make some at the same time: the number is even again after the
/// last of them.
final class ChangeWord: Sendable {
    private let word: SharedWord
    private let running = Mutex(0)

    init(_ word: SharedWord) { self.word = word }

    /// What it says now.
    var now: UInt64 { word.load() }

    /// Says that there is a change until `body` is over, in whatever way.
    func around<Result>(_ body: (borrowing Change) throws -> Result) rethrows -> Result {
        begin()
        defer { end() }
        return try body(Change())
    }

    private func begin() {
        running.withLock { running in
            if running == 0 { word.store(Self.odd(after: word.load())) }
            running += 1
        }
    }

    /// The next number that says that there is a change.
    static func odd(after last: UInt64) -> UInt64 {
        // More than any map that was there before this one can have come to: no change takes less than a nanosecond.
        guard last != 0 else { return KernelNode.now() | 1 }
        // A daemon that died in a change has left it odd.
        return last &+ (last & 1 == 0 ? 1 : 2)
    }

    private func end() {
        running.withLock { running in
            running -= 1
            if running == 0 { word.store(word.load() &+ 1) }
        }
    }
}

/// A change of what decisions read, while it is being made: ``KernelMaps/changing(_:)`` gives it.
struct Change: ~Copyable {
    fileprivate init() {}
}

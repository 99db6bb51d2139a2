// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Open descriptors that came over a socket, closed with the last reference.
final class Descriptors: Sendable {
    private let numbers: Mutex<[Int32]>

    /// Takes over open descriptors.
    init(_ numbers: [Int32] = []) { self.numbers = Mutex(numbers) }

    deinit { all.forEach { _ = close($0) } }

    /// Their numbers, valid as long as this is held.
    var all: [Int32] { numbers.withLock { $0 } }

    /// Takes over some more.
    func add(_ more: some Sequence<Int32>) { numbers.withLock { $0 += more } }

    /// Gives the first ones away, as many as there are up to `count`.
    func take(_ count: Int) -> Descriptors {
        numbers.withLock { numbers in
            let taken = Array(numbers.prefix(count))
            numbers.removeFirst(taken.count)
            return Descriptors(taken)
        }
    }
}

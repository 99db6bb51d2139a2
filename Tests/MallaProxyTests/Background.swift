// SPDX-License-Identifier: Apache-2.0

import Reactor
import Synchronization

/// Something that blocks, on a thread of its own.
final class Background<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)
    private let thread = Mutex<Reactor.Thread?>(nil)

    init(_ body: @escaping @Sendable () throws -> Value) {
        let started = try? Reactor.Thread(name: "background") {
            let result = Result { try body() }
            self.outcome.withLock { $0 = result }
        }
        thread.withLock { $0 = started }
    }

    /// Waits for the end; what came of it.
    func result() throws -> Value {
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
        guard let result = outcome.withLock({ $0 }) else { throw SystemError("start a thread", code: 11) }
        return try result.get()
    }
}

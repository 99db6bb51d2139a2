// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaKernel
import MallaModel
import Synchronization

/// Asks the kernel's decision code on a thread of its own while the maps change, and counts wrong answers.
final class Probe: Sendable {
    private struct Count {
        var asked = 0
        var wrong = 0
        var example = ""
        var isOver = false
    }

    private let count = Mutex(Count())
    private let ended = Mutex(false)

    /// Starts to ask. `isWrong` says what is wrong with an answer.
    init(_ ask: @escaping @Sendable () throws -> (answer: Explanation, wrong: String?)) throws {
        try Background.start { [self] in
            while count.withLock({ !$0.isOver }) {
                do {
                    let wrong = try ask().wrong
                    count.withLock {
                        $0.asked += 1
                        if let wrong {
                            $0.wrong += 1
                            $0.example = wrong
                        }
                    }
                } catch {
                    count.withLock { ($0.wrong, $0.example, $0.isOver) = ($0.wrong + 1, "\(error)", true) }
                }
            }
            ended.withLock { $0 = true }
        }
    }

    /// Ends the probe and tells what it saw.
    func end() -> String {
        count.withLock { $0.isOver = true }
        while !ended.withLock({ $0 }) { usleep(1000) }
        return count.withLock {
            "\($0.asked) decisions asked for, \($0.wrong) wrong" + ($0.wrong > 0 ? ", such as: \($0.example)" : "")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaLink

/// A question to the proxy about its tunnels, whose answer comes in parts. Who asks meanwhile gets the same one.
struct TunnelInquiry {
    /// Somebody who waits for it.
    typealias Waiter = CheckedContinuation<[TunnelFact], any Error>

    let number: UInt32
    private var facts: [TunnelFact] = []
    private var waiters: [Waiter] = []

    init(number: UInt32) { self.number = number }

    mutating func add(_ waiter: Waiter) { waiters.append(waiter) }

    /// Takes a part of the answer.
    ///
    /// - Returns: what to ask next; `nil`: all is there, and was told.
    mutating func take(_ answer: Message.TunnelAnswer) -> Message.TunnelQuestion? {
        facts += answer.tunnels
        if !answer.tunnels.isEmpty, facts.count < Int(answer.total) {
            return .init(number: number, from: UInt32(clamping: facts.count))
        }
        end(.success(facts))
        return nil
    }

    /// Tells all who wait how it ended.
    mutating func end(_ result: Result<[TunnelFact], any Error>) {
        for waiter in waiters { waiter.resume(with: result) }
        waiters = []
    }
}

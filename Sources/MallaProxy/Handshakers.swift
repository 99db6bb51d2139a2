// SPDX-License-Identifier: Apache-2.0

import Reactor
import Synchronization
import TLSWire

/// Threads that carry handshakes, so that milliseconds of asymmetric arithmetic never delay a connection that stands.
///
/// A worker hands a connected socket over and hears of it again by message: with the stream and the peer's name, or
/// with the reason why it was closed. Meanwhile the socket is not the worker's. The threads give way to workers (nice),
/// carry a bounded number of handshakes, and give each a bounded time. Used by any threads.
final class Handshakers: Sendable {
    /// A handshake to be done.
    struct Task: Sendable {
        /// A connected, non-blocking socket; the handshaker's until the answer.
        let socket: Int32
        let side: Side
        /// The worker's own word for it, given back with the answer.
        let tag: UInt64
        /// Takes the answer; from a handshaker's thread.
        let answer: @Sendable (Answer) -> Void
    }

    /// Which side of a handshake, and with what.
    enum Side: Sendable {
        /// With a peer that must have one of these names (none: whoever is of a trusted domain), of which the server is
        /// told which one is wanted.
        case client(TLSSettings, expected: [SPIFFEName], serverName: String?)
        /// With whoever is of a trusted domain, as the one whom it wants.
        case server(TLSDirectory)
    }

    /// What became of one.
    struct Answer: Sendable {
        let tag: UInt64
        /// Whose certificate this side has shown, where that is known.
        let owner: SPIFFEName?
        let outcome: Outcome
    }

    /// How it ended.
    enum Outcome: Sendable {
        /// The socket and the stream are the receiver's; what was read behind the handshake comes first.
        case done(socket: Int32, stream: TLSStream, peer: SPIFFEName, rest: [UInt8])
        /// The socket was closed.
        case failed(TLSReason)
    }

    /// How long a handshake may take.
    static let patience: UInt64 = 10_000_000_000

    private let mailboxes: [Mailbox<Handshaker.Message>]
    private let threads: [Thread]
    private let next = Atomic<Int>(0)

    /// Starts the threads.
    ///
    /// - Parameter limit: handshakes that each carries at a time; beyond it they are refused.
    init(threads count: Int = 2, limit: Int = 1024, patience: UInt64 = Handshakers.patience) throws(SystemError) {
        var mailboxes: [Mailbox<Handshaker.Message>] = []
        var threads: [Thread] = []
        for number in 0..<max(1, count) {
            let mailbox = try Mailbox<Handshaker.Message>()
            threads.append(
                try Thread(name: "handshake-\(number)") {
                    guard var handshaker = try? Handshaker(mailbox, limit: limit, patience: patience) else { return }
                    handshaker.run()
                })
            mailboxes.append(mailbox)
        }
        self.mailboxes = mailboxes
        self.threads = threads
    }

    /// Hands a socket over. It is closed if it fails.
    func carry(_ task: Task) {
        let turn = next.add(1, ordering: .relaxed).oldValue
        mailboxes[Int(UInt(bitPattern: turn) % UInt(mailboxes.count))].post(.carry(task))
    }

    /// Ends the threads; handshakes on their way are failed. Once only.
    func stop() {
        for mailbox in mailboxes { mailbox.post(.stop) }
        for thread in threads { thread.join() }
    }
}

// SPDX-License-Identifier: Apache-2.0

import CLinux
import Synchronization

/// How other threads reach a thread that sleeps in its event loop: messages in order, and an eventfd that wakes it.
public final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    private let wake: Descriptor

    /// An empty mailbox.
    public init() throws(SystemError) {
        wake = Descriptor(owning: try SystemError.check(linux_eventfd(), "make an eventfd"))
    }

    /// The eventfd, for the loop of the receiving thread: register it as level-triggered.
    public var descriptor: Int32 { wake.number }

    /// Adds a message and wakes the receiver. From any thread.
    public func post(_ message: sending Message) {
        let first = messages.withLock {
            $0.append(message)
            return $0.count == 1
        }
        // The one that made it non-empty wakes; the others ride along.
        if first { linux_eventfd_signal(wake.number) }
    }

    /// Takes all messages. For the receiving thread, when the eventfd is readable.
    public func collect() -> [Message] {
        linux_eventfd_clear(wake.number)
        return messages.withLock {
            let all = $0
            $0 = []
            return all
        }
    }
}

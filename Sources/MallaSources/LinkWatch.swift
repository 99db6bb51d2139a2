// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization

/// Says that a network interface of this process's network namespace appeared, changed or went.
///
/// What changed is not told: whoever listens looks at the whole again.
public final class LinkWatch: Sendable {
    /// One element for one or more changes since the last one was taken. Ends after ``stop()``.
    public let changes: AsyncStream<Void>

    private let netlink: Int32
    private let wake: Int32
    private let continuation: AsyncStream<Void>.Continuation

    /// Begins to watch. A thread of its own waits for the kernel's messages.
    public init() throws {
        netlink = linux_interface_watch()
        guard netlink >= 0 else { throw SourceError("watch the network interfaces", code: 0 &- netlink) }
        wake = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard wake >= 0 else {
            let failure = SourceError.last("open an eventfd")
            close(netlink)
            throw failure
        }
        (changes, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<LinkWatch>.fromOpaque(argument).takeRetainedValue().loop()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw SourceError("start a thread for netlink", code: result)
        }
        pthread_detach(thread)
    }

    deinit {
        close(netlink)
        close(wake)
    }

    /// Ends the stream and the thread.
    public func stop() {
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
        continuation.finish()
    }

    private func loop() {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            var ready = [
                pollfd(fd: netlink, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ready, 2, -1) > 0 else {
                if errno == EINTR { continue }
                break
            }
            if ready[1].revents != 0 { break }
            // ENOBUFS: messages were lost, which is a change like any other.
            while recv(netlink, &buffer, buffer.count, 0) > 0 {}
            continuation.yield()
        }
        continuation.finish()
    }
}

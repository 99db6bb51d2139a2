// SPDX-License-Identifier: Apache-2.0

import CLinux

/// One thread's epoll instance and clock.
///
/// Sockets are registered once, edge-triggered and in both directions, and never again touched until they are
/// closed: each change of a registration would be one more system call for every request. The owner keeps for each
/// socket what the edges told ("readable", "writable") and clears it when a call says otherwise.
///
/// Used by one thread. Waiting allocates nothing.
public struct EventLoop: ~Copyable {
    private let epoll: Descriptor
    private let events: UnsafeMutablePointer<epoll_event>
    private let capacity: Int32
    /// CLOCK_MONOTONIC in nanoseconds when the last wait returned: the time of this turn.
    public private(set) var now: UInt64

    /// A loop that handles up to `capacity` events in a turn.
    public init(capacity: Int = 256) throws(SystemError) {
        epoll = Descriptor(owning: try SystemError.check(linux_epoll_create(), "make an epoll instance"))
        self.capacity = Int32(clamping: max(1, capacity))
        events = .allocate(capacity: Int(self.capacity))
        events.initialize(repeating: epoll_event(), count: Int(self.capacity))
        now = linux_monotonic()
    }

    deinit { events.deallocate() }

    /// Registers a connected or connecting socket for its life: edges of both directions.
    /// - Returns: 0 or a positive errno (ENOSPC: /proc/sys/fs/epoll/max_user_watches).
    public func add(socket: Int32, token: Token) -> Int32 {
        0 &- linux_epoll_add_edge(epoll.number, socket, token.bits)
    }

    /// Registers a listener or an eventfd: reported in each turn as long as there is something to take.
    /// - Returns: 0 or a positive errno.
    public func add(level descriptor: Int32, token: Token) -> Int32 {
        0 &- linux_epoll_add_level(epoll.number, descriptor, token.bits)
    }

    /// Ends a registration. Closing a descriptor that has no other copy does the same.
    public func remove(_ descriptor: Int32) {
        _ = linux_epoll_remove(epoll.number, descriptor)
    }

    /// Sleeps until something is ready or `milliseconds` have passed (-1: for ever), and sets ``now``.
    /// - Returns: how many events there are, for ``event(_:)``.
    public mutating func wait(milliseconds: Int32) -> Int {
        let count = linux_epoll_wait(epoll.number, events, capacity, milliseconds)
        now = linux_monotonic()
        return Int(max(0, count))
    }

    /// Event `index` of the last wait.
    public func event(_ index: Int) -> Event {
        precondition(index >= 0 && index < Int(capacity))
        return Event(token: Token(bits: events[index].data.u64), readiness: Readiness(rawValue: events[index].events))
    }
}

/// Something became ready.
public struct Event: Sendable, BitwiseCopyable {
    /// What was given at registration.
    public let token: Token
    /// How it is ready.
    public let readiness: Readiness
}

/// How a descriptor is ready.
public struct Readiness: OptionSet, Sendable, BitwiseCopyable {
    /// The bits of epoll.
    public let rawValue: UInt32

    /// These bits of epoll.
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// There is something to read, be it the end or an error.
    public static var readable: Readiness {
        Readiness(rawValue: UInt32(LINUX_READABLE | LINUX_READ_END | LINUX_HANG_UP | LINUX_FAILED))
    }
    /// There is room to write.
    public static var writable: Readiness { Readiness(rawValue: UInt32(LINUX_WRITABLE)) }
    /// The socket failed: reset by the peer, or a connect that did not succeed.
    public static var failed: Readiness { Readiness(rawValue: UInt32(LINUX_FAILED | LINUX_HANG_UP)) }
    /// The peer has reset the connection, or a connect has failed.
    public static var reset: Readiness { Readiness(rawValue: UInt32(LINUX_FAILED)) }
    /// The peer's end, or a failure, is behind what there may be to read.
    public static var ending: Readiness { Readiness(rawValue: UInt32(LINUX_READ_END | LINUX_HANG_UP | LINUX_FAILED)) }
}

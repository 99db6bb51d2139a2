// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// A network namespace of this process's own, with addresses that the machine has not; gone with the process, however
/// that ends. Whoever makes one is in it until the value goes, with all threads and programs that it starts meanwhile.
///
/// For a test that is no `async` one: it has to come and go on one thread.
final class TestNamespace {
    private static let address4 = "198.51.100.10/32"
    private static let address6 = "2001:db8::10/128"

    /// Glibc has them, its Swift module does not show them.
    private typealias Unshare = @convention(c) (Int32) -> Int32
    private typealias Enter = @convention(c) (Int32, Int32) -> Int32
    private static let newNetwork: Int32 = 0x4000_0000

    private static let shared = Result { try make("true") }

    /// A new one, in which `command` has run.
    private static func make(_ command: String) throws -> Int32 {
        try Background {
            let unshare = unsafeBitCast(try #require(dlsym(nil, "unshare")), to: Unshare.self)
            try #require(unshare(newNetwork) == 0, "a network namespace: \(errno)")
            let said = try Tool.run(
                "ip link set lo up && ip address add \(address4) dev lo && ip address add \(address6) dev lo nodad && "
                    + command)
            try #require(said.isEmpty, "\(said)")
            return try current()
        }.result()
    }

    private let former: Int32
    /// One that is gone with the value.
    private let own: Int32?

    /// The one that tests share, or one of its own that a command has set up.
    init(_ command: String? = nil) throws {
        own = try command.map(Self.make)
        let place = try own ?? Self.shared.get()
        former = try Self.current()
        try Self.enter(place)
    }

    deinit {
        try? Self.enter(former)
        close(former)
        if let own { close(own) }
    }

    private static func current() throws -> Int32 {
        let descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        return descriptor
    }

    private static func enter(_ namespace: Int32) throws {
        let enter = unsafeBitCast(try #require(dlsym(nil, "setns")), to: Enter.self)
        try #require(enter(namespace, newNetwork) == 0, "\(errno)")
    }
}

// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Testing

/// A blocking TCP socket with a time limit on every call.
final class TCP: Sendable {
    /// What a call failed with.
    struct Failure: Error, Equatable {
        let code: Int32
    }

    let number: Int32

    /// Programs that tests start must not keep other tests' connections open.
    private static var kind: Int32 { Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) }

    init(_ number: Int32) {
        self.number = number
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    }

    deinit { close(number) }

    /// Connects to loopback.
    static func connect(port: UInt16, ipv6: Bool = false) throws -> TCP {
        let socket = TCP(Glibc.socket(ipv6 ? AF_INET6 : AF_INET, kind, 0))
        let result = withLoopback(port: port, ipv6: ipv6) { Glibc.connect(socket.number, $0, $1) }
        guard result == 0 else { throw Failure(code: errno) }
        return socket
    }

    /// Listens on loopback.
    static func listen(ipv6: Bool = false, backlog: Int32 = 64) throws -> TCP {
        let socket = try reserve(ipv6: ipv6)
        guard Glibc.listen(socket.number, backlog) == 0 else { throw Failure(code: errno) }
        return socket
    }

    /// Listens on every address of a family.
    static func listenAnywhere(ipv6: Bool = false, backlog: Int32 = 64) throws -> TCP {
        let socket = TCP(Glibc.socket(ipv6 ? AF_INET6 : AF_INET, kind, 0))
        // All zeros but the family: as long as the longer of the two.
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(ipv6 ? AF_INET6 : AF_INET)
        let size = ipv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket.number, $0, socklen_t(size)) }
        }
        guard result == 0, Glibc.listen(socket.number, backlog) == 0 else { throw Failure(code: errno) }
        return socket
    }

    /// Takes a port of loopback for as long as the value lives. Nothing listens there, and nothing else can.
    static func reserve(ipv6: Bool = false) throws -> TCP {
        let socket = TCP(Glibc.socket(ipv6 ? AF_INET6 : AF_INET, kind, 0))
        let result = withLoopback(port: 0, ipv6: ipv6) { bind(socket.number, $0, $1) }
        guard result == 0 else { throw Failure(code: errno) }
        return socket
    }

    var port: UInt16 { Self.port(of: number) }

    func accept() throws -> TCP {
        let accepted = Glibc.accept(number, nil, nil)
        guard accepted >= 0 else { throw Failure(code: errno) }
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return TCP(accepted)
    }

    func send(_ bytes: [UInt8]) throws {
        var at = 0
        while at < bytes.count {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(number, $0.baseAddress.map { $0 + at }, bytes.count - at, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw Failure(code: errno) }
            at += sent
        }
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// What is there, up to `count` bytes; empty at the end.
    func receive(_ count: Int = 65536) throws -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let received = recv(number, buffer.baseAddress, count, 0)
            if received < 0 { failure = errno }
            filled = max(0, received)
        }
        guard failure == 0 else { throw Failure(code: failure) }
        return bytes
    }

    /// Exactly so much text.
    func receiveText(_ count: Int) throws -> String {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func endWriting() { shutdown(number, Int32(SHUT_WR)) }

    /// Ends the connection with RST now; the descriptor stays until the last reference goes.
    func disconnect() {
        var nowhere = sockaddr()
        nowhere.sa_family = sa_family_t(AF_UNSPEC)
        _ = Glibc.connect(number, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
    }

    /// Closes with RST when the last reference goes.
    func resetOnClose() {
        var setting = linger(l_onoff: 1, l_linger: 0)
        setsockopt(number, SOL_SOCKET, SO_LINGER, &setting, socklen_t(MemoryLayout<linger>.size))
    }

    static func port(of number: Int32) -> UInt16 {
        var address = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &size) }
        }
        // The port is at the same place for both families.
        return result == 0 ? UInt16(bigEndian: address.sin6_port) : 0
    }

    private static func withLoopback(
        port: UInt16, ipv6: Bool, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        if ipv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = in6addr_loopback
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

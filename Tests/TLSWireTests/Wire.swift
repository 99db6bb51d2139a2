// SPDX-License-Identifier: Apache-2.0

import Glibc
import TLSWire
import Testing

/// A blocking socket of loopback; closed with the value.
final class Wire {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(number) }

    private static func make() throws -> Wire {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try #require(number >= 0)
        return Wire(number)
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private static func with(_ port: UInt16, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = address(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    static func listen() throws -> Wire {
        let wire = try make()
        try #require(with(0) { bind(wire.number, $0, $1) } == 0 && Glibc.listen(wire.number, 64) == 0)
        return wire
    }

    static func connect(_ port: UInt16) throws -> Wire {
        let wire = try make()
        for _ in 0..<1000 {
            if with(port, { Glibc.connect(wire.number, $0, $1) }) == 0 { return wire }
            usleep(10_000)
        }
        Issue.record("nobody listens on port \(port)")
        return wire
    }

    /// Two ends of one connection.
    static func pair() throws -> (Wire, Wire) {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        return (Wire(ends[0]), Wire(ends[1]))
    }

    var port: UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &size) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    func accept() throws -> Wire {
        var ready = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        try #require(poll(&ready, 1, 20_000) > 0, "nobody has connected")
        let accepted = Glibc.accept(number, nil, nil)
        try #require(accepted >= 0)
        return Wire(accepted)
    }

    /// What is there; empty: the end, in whatever manner.
    func receive(_ count: Int = 65536) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, recv(number, buffer.baseAddress, count, 0))
        }
    }

    func send(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        var at = 0
        while at < bytes.count {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(number, $0.baseAddress.map { $0 + at }, bytes.count - at, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return }
            at += sent
        }
    }

    func endWriting() { shutdown(number, Int32(SHUT_WR)) }
}

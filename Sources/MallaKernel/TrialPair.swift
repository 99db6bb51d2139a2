// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import Glibc
import MallaModel

/// Two ends of one TCP connection over loopback that wait in no call, and what each has sent: a pattern by which every
/// byte's place is known. Closed with the value. One thread at a time.
final class TrialPair {
    /// What an end can be waited for.
    enum Wait { case reading, writing }

    let client: CInt, server: CInt
    private var sent: [CInt: Int] = [:]
    private var taken: [CInt: Int] = [:]

    /// Two ends that are connected; throws a ``FastPathFlaw`` when the system has no sockets to give.
    init() throws {
        let listener = try Self.listener()
        defer { close(listener) }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let isConnected = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(listener, $0, &length) == 0 && connect(client, $0, length) == 0
            }
        }
        guard isConnected else {
            let error = errno
            close(client)
            throw FastPathFlaw("two sockets cannot be connected: \(Self.text(error))")
        }
        server = accept(listener, nil, nil)
        self.client = client
        guard server >= 0 else { throw FastPathFlaw("a socket cannot be accepted: \(Self.text(errno))") }
        var one: CInt = 1
        for end in [client, server] {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            setsockopt(end, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
        }
    }

    deinit {
        close(client)
        if server >= 0 { close(server) }
    }

    private static func listener() throws -> CInt {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isListening = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(made, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && listen(made, 1) == 0
            }
        }
        guard isListening else {
            let error = errno
            close(made)
            throw FastPathFlaw("127.0.0.1 cannot be listened on: \(text(error))")
        }
        return made
    }

    /// The key of an end in the kernel's maps.
    static func tuple(of end: CInt, _ namespace: UInt64) throws -> malla_tuple {
        var (local, remote) = (sockaddr_in(), sockaddr_in())
        func ask(
            _ address: inout sockaddr_in,
            _ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
        ) throws {
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(end, $0, &length) }
            }
            guard result == 0 else { throw FastPathFlaw("a socket has no address: \(text(errno))") }
        }
        try ask(&local) { getsockname($0, $1, $2) }
        try ask(&remote) { getpeername($0, $1, $2) }
        var tuple = malla_tuple()
        tuple.source = Address(ipv4: UInt32(bigEndian: local.sin_addr.s_addr)).abi
        tuple.destination = Address(ipv4: UInt32(bigEndian: remote.sin_addr.s_addr)).abi
        tuple.source_port = UInt16(bigEndian: local.sin_port)
        tuple.destination_port = UInt16(bigEndian: remote.sin_port)
        tuple.netns = namespace
        return tuple
    }

    /// Gives so many bytes to the kernel, as far as it takes them without waiting; how many.
    func offer(_ count: Int, from end: CInt) throws -> Int {
        let begin = sent[end] ?? 0
        let bytes = (begin..<begin + count).map(Self.byte)
        let took = Glibc.send(end, bytes, count, Int32(MSG_NOSIGNAL))
        if took < 0 {
            if errno == EAGAIN { return 0 }
            throw FastPathFlaw("a write fails: \(Self.text(errno))")
        }
        sent[end] = begin + took
        return took
    }

    /// Sends all of so many bytes; how many.
    func send(_ count: Int, from end: CInt) throws -> Int {
        var left = count
        while left > 0 {
            let took = try offer(left, from: end)
            if took == 0, try !waits(for: .writing, at: end, milliseconds: 2000) {
                throw FastPathFlaw("a writer waits for ever")
            }
            left -= took
        }
        return count
    }

    /// Reads so many bytes, each of which has to be the next that the other end sent.
    func take(_ count: Int, at end: CInt) throws {
        var left = count
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while left > 0 {
            let got = recv(end, &buffer, min(left, buffer.count), 0)
            if got < 0, errno == EAGAIN {
                guard try waits(for: .reading, at: end, milliseconds: 2000) else {
                    throw FastPathFlaw("\(left) bytes do not arrive")
                }
                continue
            }
            guard got > 0 else {
                throw FastPathFlaw("a read fails: \(got < 0 ? Self.text(errno) : "the stream has ended")")
            }
            let begin = taken[end] ?? 0
            guard buffer[..<got].elementsEqual((begin..<begin + got).lazy.map(Self.byte)) else {
                throw FastPathFlaw("bytes arrive changed, twice or in another order")
            }
            taken[end] = begin + got
            left -= got
        }
    }

    /// Whether it can be read or written within this time.
    func waits(for wait: Wait, at end: CInt, milliseconds: CInt) throws -> Bool {
        var entry = pollfd(fd: end, events: Int16(wait == .reading ? POLLIN : POLLOUT), revents: 0)
        let result = poll(&entry, 1, milliseconds)
        guard result >= 0 else { throw FastPathFlaw("a socket cannot be waited for: \(Self.text(errno))") }
        return result == 1
    }

    /// What FIONREAD says.
    func pending(at end: CInt) -> Int {
        var count: CInt = 0
        return ioctl(end, UInt(FIONREAD), &count) == 0 ? Int(count) : -1
    }

    /// Ends the direction that this end writes.
    func endWriting(_ end: CInt) { shutdown(end, Int32(SHUT_WR)) }

    /// Whether the stream ends here.
    func isAtEnd(_ end: CInt) throws -> Bool {
        var byte: UInt8 = 0
        guard try waits(for: .reading, at: end, milliseconds: 2000) else { return false }
        return recv(end, &byte, 1, 0) == 0
    }

    private static func byte(_ place: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: place &* 31 ^ place >> 8 ^ place >> 16)
    }

    private static func text(_ error: CInt) -> String { String(cString: strerror(error)) }
}

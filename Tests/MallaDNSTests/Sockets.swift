// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaModel
import Synchronization
import Testing

/// A blocking IPv4 loopback socket that times out.
final class Socket: Sendable {
    let descriptor: Int32
    let port: UInt16

    /// UDP or TCP; bound to a port of its own, or connected to one.
    init(stream: Bool, to port: UInt16? = nil, listening: Bool = false, at own: UInt16 = 0) throws {
        let kind = stream ? SOCK_STREAM : SOCK_DGRAM
        let descriptor = socket(AF_INET, Int32(kind.rawValue), 0)
        try #require(descriptor >= 0)
        // The server answers on threads that other tests of this process keep busy, for minutes where there are two.
        var patience = timeval(tv_sec: 300, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = Self.address(port ?? own)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                port == nil ? bind(descriptor, $0, size) : connect(descriptor, $0, size)
            }
        }
        try #require(result == 0, "errno \(errno)")
        if listening { try #require(listen(descriptor, 8) == 0) }
        var actual = sockaddr_in()
        var length = size
        _ = withUnsafeMutablePointer(to: &actual) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        self.port = UInt16(bigEndian: actual.sin_port)
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// What came, or `nil` after the timeout or at the end.
    func receive(_ limit: Int = 65536) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &bytes, limit, 0)
        return count > 0 ? Array(bytes[..<count]) : nil
    }

    /// One message of a stream.
    func receiveFramed() -> [UInt8]? {
        guard let head = exactly(2) else { return nil }
        return exactly(Int(head[0]) << 8 | Int(head[1]))
    }

    private func exactly(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let more = receive(count - bytes.count) else { return nil }
            bytes += more
        }
        return bytes
    }
}

/// A resolver that answers as it is told, by UDP and TCP on one port.
final class Upstream: Sendable {
    let port: UInt16
    let asked = Mutex<[[UInt8]]>([])
    private let datagrams: Socket
    private let streams: Socket
    private let stopped = Atomic<Bool>(false)

    /// `byUDP` gives the datagrams that answer a question, `byTCP` the message; unless it `listens`, TCP is refused.
    init(
        listens: Bool = true, byUDP: @escaping @Sendable ([UInt8]) -> [[UInt8]],
        byTCP: @escaping @Sendable ([UInt8]) -> [UInt8]? = { _ in nil }
    ) throws {
        streams = try Socket(stream: true, listening: listens)
        datagrams = try Socket(stream: false, at: streams.port)
        port = streams.port
        start { upstream in upstream.answerDatagrams(byUDP) }
        if listens { start { upstream in upstream.answerStreams(byTCP) } }
    }

    func stop() {
        stopped.store(true, ordering: .releasing)
        shutdown(streams.descriptor, Int32(SHUT_RDWR))
        shutdown(datagrams.descriptor, Int32(SHUT_RDWR))
    }

    private func answerDatagrams(_ answer: ([UInt8]) -> [[UInt8]]) {
        while !stopped.load(ordering: .acquiring) {
            var bytes = [UInt8](repeating: 0, count: 65536)
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(datagrams.descriptor, &bytes, bytes.count, 0, $0, &length)
                }
            }
            guard count > 0 else { continue }
            let question = Array(bytes[..<count])
            asked.withLock { $0.append(question) }
            for reply in answer(question) {
                _ = withUnsafePointer(to: &peer) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(datagrams.descriptor, reply, reply.count, 0, $0, length)
                    }
                }
            }
        }
    }

    private func answerStreams(_ answer: ([UInt8]) -> [UInt8]?) {
        while !stopped.load(ordering: .acquiring) {
            let descriptor = accept(streams.descriptor, nil, nil)
            guard descriptor >= 0 else { continue }
            var bytes = [UInt8](repeating: 0, count: 65536)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            if count > 2, let reply = answer(Array(bytes[2..<count])) {
                let framed = [UInt8(reply.count >> 8), UInt8(truncatingIfNeeded: reply.count)] + reply
                _ = send(descriptor, framed, framed.count, Int32(MSG_NOSIGNAL))
            }
            close(descriptor)
        }
    }

    private func start(_ body: @escaping @Sendable (Upstream) -> Void) {
        let box = Unmanaged.passRetained(Work(upstream: self, body: body))
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
                work.body(work.upstream)
                return nil
            }, box.toOpaque())
        pthread_detach(thread)
    }

    private final class Work {
        let upstream: Upstream
        let body: @Sendable (Upstream) -> Void
        init(upstream: Upstream, body: @escaping @Sendable (Upstream) -> Void) {
            self.upstream = upstream
            self.body = body
        }
    }
}

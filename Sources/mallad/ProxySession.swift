// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaSources

/// One connection to a node proxy, and the watch over its process.
final class ProxySession: Sendable {
    /// What happened.
    enum Event: Sendable {
        /// The proxy said something.
        case message(Message)
        /// The proxy handed over listeners, which are closed with the last reference.
        case listeners(Descriptors)
        /// The connection ended, while the process may go on.
        case disconnected(String)
        /// The process ended.
        case ended(String)
    }

    /// Everything that happens, in order; ends with `disconnected` or `ended`.
    let events: AsyncStream<Event>
    let process: ProxyProcess
    /// What the proxy said of itself.
    let hello: Message.Hello
    /// The version of the link that both know.
    var speaks: UInt16 { Link.common(with: hello) ?? 0 }
    private let descriptor: Int32
    private let continuation: AsyncStream<Event>.Continuation

    /// How long a proxy may take to greet, and to take a message.
    private static let patience = timeval(tv_sec: 5, tv_usec: 0)

    /// Connects to the proxy that listens at the socket and exchanges greetings. `process` is the proxy when it is
    /// known; otherwise the one that answers is adopted. Blocks for at most some seconds. `nil`: nobody is there.
    static func open(_ settings: Settings, process: ProxyProcess?) throws -> ProxySession? {
        let descriptor = linux_unix_connect(settings.proxySocket, 0)
        guard descriptor >= 0 else {
            if descriptor == -ENOENT || descriptor == -ECONNREFUSED { return nil }
            throw SourceError("connect to \(settings.proxySocket)", code: -descriptor)
        }
        do {
            var patience = Self.patience
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
            let own = Message.Hello(
                program: "mallad \(Mallad.version)", node: settings.node, pid: UInt32(getpid()), generation: 0)
            try send(.hello(own), to: descriptor)
            var decoder = FrameDecoder()
            let cargo = Descriptors()
            let hello = try greeting(from: descriptor, &decoder, cargo)
            guard Link.common(with: hello) != nil else {
                throw LinkError("\(hello.program) speaks another protocol: versions \(hello.oldest) to \(hello.newest)")
            }
            let found = try process ?? ProxyProcess.adopt(pid: Int32(clamping: hello.pid), cgroup: settings.tree.proxy)
            return ProxySession(descriptor: descriptor, process: found, hello: hello, decoder: decoder, cargo: cargo)
        } catch {
            close(descriptor)
            throw error
        }
    }

    private init(
        descriptor: Int32, process: ProxyProcess, hello: Message.Hello, decoder: FrameDecoder, cargo: Descriptors
    ) {
        self.descriptor = descriptor
        self.process = process
        self.hello = hello
        (events, continuation) = AsyncStream.makeStream()
        OwnThread.start { self.watch(decoder, cargo) }
    }

    deinit { close(descriptor) }

    /// Sends a message, with a descriptor as its cargo. Blocks while the proxy is busy, for at most some seconds.
    func send(_ message: Message, cargo: Int32? = nil) throws {
        try Self.send(message, to: descriptor, cargo: cargo)
    }

    /// Ends the connection; the watch notices.
    func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    // MARK: The watch

    private func watch(_ decoder: consuming FrameDecoder, _ cargo: Descriptors) {
        var decoder = decoder
        do {
            try forward(&decoder, cargo)
            while true {
                var ready = [
                    pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: process.descriptor, events: Int16(POLLIN), revents: 0),
                ]
                if poll(&ready, 2, -1) < 0 {
                    if errno == EINTR { continue }
                    throw SourceError("wait for the proxy", code: errno)
                }
                if ready[1].revents != 0 {
                    continuation.yield(.ended(process.reap()))
                    break
                }
                guard let bytes = try Self.receive(from: descriptor, cargo) else {
                    throw LinkError("the proxy closed the connection")
                }
                decoder.append(bytes)
                try forward(&decoder, cargo)
            }
        } catch {
            // A process that ends closes its connection first.
            let ended = process.hasEnded(within: 200)
            continuation.yield(ended ? .ended(process.reap()) : .disconnected("\(error)"))
        }
        continuation.finish()
    }

    private func forward(_ decoder: inout FrameDecoder, _ cargo: Descriptors) throws {
        while let message = try decoder.next() {
            if case .listeners(let count) = message {
                continuation.yield(.listeners(cargo.take(Int(clamping: count))))
            } else {
                continuation.yield(.message(message))
            }
        }
    }

    // MARK: Bytes

    private static func greeting(
        from descriptor: Int32, _ decoder: inout FrameDecoder, _ cargo: Descriptors
    ) throws -> Message.Hello {
        while true {
            while let message = try decoder.next() {
                if case .hello(let hello) = message { return hello }
            }
            guard let bytes = try receive(from: descriptor, cargo) else {
                throw LinkError("the proxy closed the connection before it greeted")
            }
            decoder.append(bytes)
        }
    }

    /// What came, and into `cargo` the descriptors with it; `nil` at the end.
    private static func receive(from descriptor: Int32, _ cargo: Descriptors) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        var descriptors = [Int32](repeating: -1, count: Int(LINUX_DESCRIPTORS_MAX))
        while true {
            var number = Int32(descriptors.count)
            let count = linux_receive_descriptors(descriptor, &buffer, buffer.count, &descriptors, &number)
            cargo.add(descriptors.prefix(Int(max(0, number))))
            if count > 0 { return Array(buffer[..<count]) }
            if count == 0 { return nil }
            if count == -Int(EINTR) { continue }
            throw SourceError("hear from the proxy", code: Int32(clamping: -count))
        }
    }

    private static func send(_ message: Message, to descriptor: Int32, cargo: Int32? = nil) throws {
        let bytes = message.encoded()
        var sent = 0
        var cargo = cargo
        while sent < bytes.count {
            var descriptors = [cargo ?? -1]
            let result = bytes.withUnsafeBytes { buffer in
                linux_send_descriptors(
                    descriptor, buffer.baseAddress?.advanced(by: sent), buffer.count - sent, &descriptors,
                    cargo == nil ? 0 : 1)
            }
            if result == -Int(EINTR) { continue }
            guard result > 0 else { throw SourceError("speak to the proxy", code: Int32(clamping: -result)) }
            sent += result
            cargo = nil
        }
    }
}

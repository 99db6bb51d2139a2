// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

@testable import HTTPVectors

/// An HTTP/2 endpoint of frames written by hand: what it sends for each request is up to the test. One thread for each
/// connection.
final class RawH2Endpoint: Sendable {
    /// What is sent for a request: on this stream of this connection, both counted as they come; `nil` ends the
    /// connection.
    typealias Answer = @Sendable (_ stream: UInt32, _ connection: Int) -> [UInt8]?

    private struct State {
        var connections = 0
        var requests = 0
        var resets = 0
        var goAways: [UInt32] = []
        var ended = 0
    }

    let port: UInt16
    private let listener: TCP
    private let state = Mutex(State())

    /// `hello`: what each connection begins with. `waits`: whether a request is answered when it has ended.
    init(hello: [UInt8] = H2Bytes.settings(), waits: Bool = false, _ answer: @escaping Answer) throws {
        listener = try TCP.listen(backlog: 1024)
        port = listener.port
        _ = Background { [listener, weak self] in
            while true {
                guard let connection = try? listener.accept() else { return }
                guard let endpoint = self else { return }
                let number = endpoint.state.withLock {
                    $0.connections += 1
                    return $0.connections - 1
                }
                _ = Background { [weak self] in
                    defer { self?.state.withLock { $0.ended += 1 } }
                    try self?.serve(connection, number, hello, waits, answer)
                }
            }
        }
    }

    /// Ends its accepting; connections end with their peers.
    func stop() { shutdown(listener.number, Int32(SHUT_RDWR)) }

    /// Connections that were accepted.
    var connections: Int { state.withLock { $0.connections } }
    /// Connections that have ended.
    var ended: Int { state.withLock { $0.ended } }
    /// Requests whose heads came.
    var requests: Int { state.withLock { $0.requests } }
    /// RST_STREAM frames that came.
    var resets: Int { state.withLock { $0.resets } }
    /// The codes of GOAWAY frames that came.
    var goAways: [UInt32] { state.withLock { $0.goAways } }

    /// A response with content.
    static func ok(_ stream: UInt32, _ text: String = "hello") -> [UInt8] {
        H2Bytes.headers(stream, [(":status", "200")], end: false) + H2Bytes.data(stream, Array(text.utf8), end: true)
    }

    private func serve(_ socket: TCP, _ number: Int, _ hello: [UInt8], _ waits: Bool, _ answer: Answer) throws {
        let preface = try socket.receiveText(24)
        guard preface == "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" else { return }
        try socket.send(hello)
        let peer = RawH2(socket)
        var last: UInt32 = 0
        while let frame = try peer.next() {
            switch frame.type {
            // Trailers are no request.
            case RawH2.headers where frame.stream > last:
                last = frame.stream
                state.withLock { $0.requests += 1 }
                if waits { continue }
                guard let bytes = answer(frame.stream, number) else { return }
                try peer.send(bytes)
            case 0 where waits && frame.flags & 1 == 1:
                guard let bytes = answer(frame.stream, number) else { return }
                try peer.send(bytes)
            case RawH2.reset: state.withLock { $0.resets += 1 }
            case RawH2.goAway: state.withLock { $0.goAways.append(RawH2.number(frame.payload.dropFirst(4))) }
            default: break
            }
        }
    }
}

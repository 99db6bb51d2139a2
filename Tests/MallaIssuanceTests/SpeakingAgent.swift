// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

/// An agent in bytes of HTTP/2: it speaks as soon as it is connected, as gRPC's servers do, and gives every call the
/// same answer.
final class SpeakingAgent: Sendable {
    /// An empty SETTINGS frame, and the acknowledgement of the peer's.
    static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    static let acknowledgement: [UInt8] = [0, 0, 0, 4, 1, 0, 0, 0, 0]
    /// A refusal as one HEADERS frame that ends stream 1: `:status` 200, `grpc-status` 7.
    static let refusal: [UInt8] =
        [0, 0, 16, 1, 5, 0, 0, 0, 1, 0x88, 0, 11] + Array("grpc-status".utf8) + [1, UInt8(ascii: "7")]

    let socket: String
    private let listener: Int32

    /// - Parameters:
    ///   - first: what a connection gets before it has said anything.
    ///   - answer: what it gets once its call is complete.
    init(_ folder: Folder, first: [UInt8], answer: [UInt8]) throws {
        socket = folder.file("speaking.sock")
        let listening = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        listener = listening
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(socket.utf8)
        try #require(path.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(listening >= 0 && bound == 0 && listen(listening, 128) == 0, "errno \(errno)")
        Thread.detachNewThread { Self.serve(listening, first, answer) }
    }

    /// Ends its listening, and with it the thread that serves.
    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    private static func serve(_ listener: Int32, _ first: [UInt8], _ answer: [UInt8]) {
        var received: [Int32: [UInt8]] = [:]
        while true {
            var ready = ([listener] + received.keys).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&ready, nfds_t(ready.count), -1) >= 0 else { continue }
            for one in ready where one.revents != 0 {
                if one.fd == listener {
                    let connection = accept(listener, nil, nil)
                    guard connection >= 0 else {
                        for descriptor in received.keys { close(descriptor) }
                        close(listener)
                        return
                    }
                    received[connection] = []
                    send(connection, first, first.count, Int32(MSG_NOSIGNAL))
                    continue
                }
                var bytes = [UInt8](repeating: 0, count: 4096)
                let count = recv(one.fd, &bytes, bytes.count, 0)
                guard count > 0 else {
                    received[one.fd] = nil
                    close(one.fd)
                    continue
                }
                let wasComplete = isCall(received[one.fd] ?? [])
                received[one.fd]?.append(contentsOf: bytes.prefix(count))
                guard !wasComplete, isCall(received[one.fd] ?? []) else { continue }
                send(one.fd, answer, answer.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// Whether a client's preface is followed by frames, one of which is DATA that ends its stream.
    private static func isCall(_ bytes: [UInt8]) -> Bool {
        var rest = bytes.dropFirst(24)
        while rest.count >= 9 {
            let frame = Array(rest.prefix(9))
            if frame[3] == 0, frame[4] & 1 == 1 { return true }
            rest = rest.dropFirst(9 + frame[..<3].reduce(0) { $0 << 8 | Int($1) })
        }
        return false
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

/// A listener on 127.0.0.1 that sends back what it gets, in threads of its own. Ends with the value.
final class EchoListener: Sendable {
    let port: UInt16
    private let listener: CInt

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(listener >= 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 512) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(bound, "\(String(cString: strerror(errno)))")
        port = UInt16(bigEndian: address.sin_port)
        self.listener = listener
        Thread.detachNewThread {
            while true {
                let peer = accept(listener, nil, nil)
                guard peer >= 0 else { return }
                Thread.detachNewThread {
                    var buffer = [UInt8](repeating: 0, count: 65536)
                    while case let count = read(peer, &buffer, buffer.count), count > 0 {
                        var sent = 0
                        while sent < count {
                            let wrote = write(peer, Array(buffer[sent..<count]), count - sent)
                            guard wrote > 0 else { break }
                            sent += wrote
                        }
                    }
                    close(peer)
                }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}

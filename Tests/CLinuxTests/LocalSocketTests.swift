// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Testing

@Suite("Unix sockets", .timeLimit(.minutes(15)))
struct LocalSocketTests {
    @Test("descriptors travel with bytes, and the copy is another descriptor of the same file")
    func descriptors() throws {
        var pair: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { (pair + ends).forEach { close($0) } }

        #expect(linux_send_descriptors(pair[0], "xyz", 3, [ends[1]], 1) == 3)
        var bytes = [UInt8](repeating: 0, count: 16)
        var received = [Int32](repeating: -1, count: 4)
        var count: Int32 = 4
        #expect(linux_receive_descriptors(pair[1], &bytes, bytes.count, &received, &count) == 3)
        #expect(count == 1)
        #expect(bytes[..<3].elementsEqual("xyz".utf8))
        #expect(fcntl(received[0], F_GETFD) == FD_CLOEXEC)
        #expect(write(received[0], "!", 1) == 1)
        close(received[0])
        #expect(read(ends[0], &bytes, 16) == 1)
        #expect(bytes[0] == UInt8(ascii: "!"))
    }

    @Test("more descriptors than there is room for are refused and none is leaked")
    func tooManyDescriptors() throws {
        var pair: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        defer { pair.forEach { close($0) } }
        let before = dup(0)
        close(before)
        #expect(linux_send_descriptors(pair[0], "x", 1, [0, 0, 0], 3) == 1)
        var byte: UInt8 = 0
        var received: [Int32] = [-1]
        var count: Int32 = 1
        #expect(linux_receive_descriptors(pair[1], &byte, 1, &received, &count) == Int(-EMSGSIZE))
        #expect(count == 0)
    }

    @Test("the peer is the process at the other end; an over-long path is refused")
    func peerAndPaths() throws {
        let path = "@malla-test-local-\(getpid())"
        let listener = linux_unix_listen(path, 0o600, 4)
        try #require(listener >= 0)
        let client = linux_unix_connect(path, 1)
        try #require(client >= 0)
        let server = linux_accept(listener)
        try #require(server >= 0)
        defer { [listener, client, server].forEach { close($0) } }
        var peer = linux_peer()
        #expect(linux_peer(server, &peer) == 0)
        #expect(peer.pid == getpid())
        #expect(peer.uid == getuid())
        #expect(linux_unix_listen(String(repeating: "x", count: 200), 0o600, 4) == -ENAMETOOLONG)
        #expect(linux_unix_connect("", 0) == -EINVAL)
    }

    @Test("a notification is one datagram")
    func notify() throws {
        let path = "/tmp/malla-test-notify-\(getpid())"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let receiver = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(receiver)
            unlink(path)
        }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(receiver, $0, size) }
        }
        try #require(bound == 0)
        #expect(linux_notify(path, "READY=1", 7) == 0)
        var bytes = [UInt8](repeating: 0, count: 64)
        #expect(recv(receiver, &bytes, 64, Int32(MSG_DONTWAIT)) == 7)
        #expect(linux_notify("/tmp/malla-test-nobody", "READY=1", 7) == -ENOENT)
    }
}

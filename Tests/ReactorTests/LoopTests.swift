// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Reactor
import Synchronization
import Testing

@Suite("Event loop", .timeLimit(.minutes(15)))
struct LoopTests {
    @Test("one registration tells of connecting, bytes, the end and a reset")
    func edges() throws {
        var loop = try EventLoop()
        var listener = try Listener(address: loopback, port: 0, shared: false)
        let started = listener.start()
        #expect(started == 0)
        #expect(loop.add(level: listener.descriptor, token: Token(kind: 2, index: 0, generation: 0)) == 0)
        var connected: Int32 = 0
        let client = linux_connect(loopbackBytes, listener.port, &connected)
        try #require(client >= 0)
        #expect(loop.add(socket: client, token: Token(kind: 1, index: 7, generation: 5)) == 0)

        var server: Int32 = -1
        var writable = false
        for _ in 0..<50 where server < 0 || !writable {
            for index in 0..<loop.wait(milliseconds: 100) {
                let event = loop.event(index)
                if event.token.kind == 2, case .connection(let accepted) = listener.accept() { server = accepted }
                if event.token.kind == 1, event.readiness.contains(.writable) { writable = true }
            }
        }
        try #require(server >= 0)
        #expect(writable)
        guard case .none = listener.accept() else {
            Issue.record("nothing more waits")
            return
        }

        #expect(linux_send(server, "hello", 5) == 5)
        #expect(waitFor(&loop, kind: 1, .readable))
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(linux_recv(client, &bytes, 16) == 5)
        #expect(linux_recv(client, &bytes, 16) == Int(-EAGAIN))
        #expect(loop.wait(milliseconds: 0) == 0, "edges are told once")

        #expect(linux_shut_write(server) == 0)
        #expect(waitFor(&loop, kind: 1, .readable))
        #expect(linux_recv(client, &bytes, 16) == 0)

        linux_reset(server)
        #expect(waitFor(&loop, kind: 1, .failed))
        close(client)
    }

    @Test("messages of other threads arrive in order and wake the loop")
    func mailbox() throws {
        let mailbox = try Mailbox<Int>()
        var loop = try EventLoop()
        #expect(loop.add(level: mailbox.descriptor, token: Token(kind: 3, index: 0, generation: 0)) == 0)
        let threads = try (0..<4).map { number in
            try Thread(name: "sender-\(number)") { for index in 0..<1000 { mailbox.post(number * 1000 + index) } }
        }
        var received: [Int] = []
        for _ in 0..<5000 where received.count < 4000 {
            for _ in 0..<loop.wait(milliseconds: 1000) { received += mailbox.collect() }
        }
        threads.forEach { $0.join() }
        #expect(received.count == 4000)
        for number in 0..<4 {
            let own = received.filter { $0 / 1000 == number }
            #expect(own == Array(number * 1000..<number * 1000 + 1000))
        }
        #expect(loop.wait(milliseconds: 0) == 0, "an emptied mailbox is quiet")
    }

    @Test("two shared listeners have one port; an occupied port is an error that says so")
    func listeners() throws {
        let first = try Listener(address: loopback, port: 0, shared: true)
        let second = try Listener(address: loopback, port: first.port, shared: true)
        let started = first.start()
        #expect(started == 0 && first.port == second.port)
        #expect(throws: SystemError("take port \(first.port)", code: EADDRINUSE)) {
            _ = try Listener(address: loopback, port: first.port, shared: false)
        }
    }

    private var loopback: InlineArray<16, UInt8> { [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1] }
    private var loopbackBytes: [UInt8] { [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1] }

    private func waitFor(_ loop: inout EventLoop, kind: UInt8, _ readiness: Readiness) -> Bool {
        for _ in 0..<50 {
            for index in 0..<loop.wait(milliseconds: 100) {
                let event = loop.event(index)
                if event.token.kind == kind, !event.readiness.isDisjoint(with: readiness) { return true }
            }
        }
        return false
    }
}

// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import Glibc
import MallaKernel
import MallaModel
import Synchronization
import Testing

@Suite("Real connections", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct TrafficTests {
    @Test("a workload reaches a service; counters are exact while the connection lives and after")
    func counters() async throws {
        let mesh = try TestMesh("counters")
        let node = try KernelNode(mesh.settings)
        let client = try mesh.makeCgroup("w1")
        let server = try EchoListener()
        try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        // 3 MB there and back; then the connection stays open until it was seen, however long that takes here.
        let seen = "/tmp/malla-counters-\(getpid())"
        let child = try mesh.startPython(
            in: "w1",
            """
            import os, socket, time
            s = socket.create_connection(("240.240.0.1", 80), 5)
            assert s.getpeername() == ("240.240.0.1", 80), s.getpeername()
            sent = got = 0
            s.settimeout(10)
            while got < 3_000_000:
                if sent < 3_000_000: sent += s.send(b"x" * min(50_000, 3_000_000 - sent))
                while got < sent: got += len(s.recv(1 << 20))
            while not os.path.exists("\(seen)"): time.sleep(0.01)
            s.close()
            """)
        defer { unlink(seen) }
        let live = try await eventually("a live connection with all its bytes") {
            try node.reader.connections().first {
                $0.direction == .outbound && $0.sourceWorkload == 7 && $0.sent == 3_000_000 && $0.received == 3_000_000
            }
        }
        #expect(live.path == .direct)
        #expect(live.original == SocketAddress(Address(ipv4: 0xf0f0_0001), 80))
        #expect(live.remote == SocketAddress(Address(ipv4: 0x7f00_0001), server.port))
        #expect((live.source, live.target, live.service, live.rule, live.generation) == (17, 18, 3, 9, 1))
        #expect(live.stateName == "established")
        let during = try #require(try outbound(node))
        #expect((during.opened, during.closed, during.sent, during.received) == (1, 0, 3_000_000, 3_000_000))
        try #require(close(open(seen, O_CREAT | O_WRONLY, 0o600)) == 0)
        #expect(TestMesh.wait(child) == 0)

        let after = try await eventually("the connection's end") {
            try outbound(node).flatMap { $0.closed == 1 ? $0 : nil }
        }
        #expect(
            (after.opened, after.sent, after.received, after.failed, after.denied) == (1, 3_000_000, 3_000_000, 0, 0))
        let times = try #require(try node.reader.times().first { !$0.isOverflow })
        #expect((times.sourceWorkload, times.targetWorkload, times.service) == (7, 8, 3))
        #expect(times.connect.count == 1 && times.connect.nanoseconds > 0)
        #expect(times.roundTrip.count == 1 && times.roundTrip.nanoseconds > 0)
        #expect(times.duration.count == 1 && times.duration.count(below: 42) == 1)
        #expect(times.duration.nanoseconds > times.roundTrip.nanoseconds)
        #expect(try node.reader.statistics().decisions >= 1)
    }

    @Test("a refusal is an errno for the application, an event with its rule, and a count")
    func denied() async throws {
        let mesh = try TestMesh("denied")
        let node = try KernelNode(mesh.settings)
        let client = try mesh.makeCgroup("w1")
        try node.apply(.small(generation: 1, endpointPort: 1, rule: 13, denied: true, client: client))
        var events = try node.reader.events().makeAsyncIterator()
        let code = try mesh.python(
            in: "w1",
            """
            import socket, sys
            s = socket.socket()
            sys.exit(s.connect_ex(("240.240.0.1", 80)))
            """)
        #expect(code == EPERM)
        let event = try #require(try await events.next())
        #expect(event.kind == .refused)
        #expect(event.reason == .policyDenied)
        #expect(event.rule == 13)
        #expect((event.source, event.sourceWorkload, event.service) == (17, 7, 3))
        #expect(event.original == SocketAddress(Address(ipv4: 0xf0f0_0001), 80))
        #expect(event.command == "python3")
        #expect(event.pid > 0)
        #expect(try node.reader.counters().contains { $0.reason == .policyDenied && $0.denied == 1 })
    }

    @Test("a process without privileges reads its own sockets' records by a handed descriptor, and cannot write")
    func handedDescriptor() throws {
        let mesh = try TestMesh("handed")
        let node = try KernelNode(mesh.settings)
        let client = try mesh.makeCgroup("w1")
        let server = try EchoListener()
        try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        let map = try node.reader.connectionsForProxy()
        defer { close(map) }
        // Handed to the child: not closed at exec.
        try #require(fcntl(map, F_SETFD, 0) == 0)
        let child = try mesh.startPython(
            in: "w1",
            """
            import ctypes, errno, os, socket, struct, sys, time
            s = socket.create_connection(("240.240.0.1", 80), 5)
            os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
            libc = ctypes.CDLL(None, use_errno=True)
            number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
            def bpf(command):
                key = ctypes.create_string_buffer(struct.pack("i", s.fileno()))
                attributes = struct.pack("IxxxxQQQ", \(map), ctypes.addressof(key), command < 3 and ctypes.addressof(value), 0)
                return libc.syscall(number, command, ctypes.create_string_buffer(attributes), len(attributes))
            value = ctypes.create_string_buffer(\(MemoryLayout<malla_connection>.size))
            # Lookup. The record is with the socket once somebody has walked over the connections.
            for _ in range(10_000):
                if bpf(1) == 0: break
                assert ctypes.get_errno() == errno.ENOENT, errno.errorcode[ctypes.get_errno()]
                time.sleep(0.01)
            record = value.raw
            assert struct.unpack_from("HH", record, 32) == (80, \(server.port)), record
            assert struct.unpack_from("IIIII", record, 40) == (17, 7, 18, 8, 3), record
            for write in (2, 3):  # update, delete
                assert bpf(write) == -1 and ctypes.get_errno() == errno.EPERM
            """)
        var status: Int32 = 0
        while waitpid(child, &status, WNOHANG) == 0 {
            _ = try node.reader.connections()
            usleep(10_000)
        }
        #expect(status == 0)
    }

    @Test("while endpoints and policies change, every connection goes to one of them by one of them")
    func switching() async throws {
        let mesh = try TestMesh("switching")
        var settings = mesh.settings
        settings.allEvents = true
        let node = try KernelNode(settings)
        let client = try mesh.makeCgroup("w1")
        let servers = [try EchoListener(), try EchoListener()]
        // Even generations: the first server by rule 100. Odd: the second by rule 101.
        func snapshot(_ generation: UInt32) -> Snapshot {
            .small(
                generation: generation, endpointPort: servers[Int(generation % 2)].port, rule: 100 + generation % 2,
                client: client)
        }
        try node.apply(snapshot(2))
        let child = try mesh.startPython(
            in: "w1",
            """
            import socket, sys, time
            end = time.monotonic() + 3
            count = 0
            while time.monotonic() < end:
                with socket.create_connection(("240.240.0.1", 80), 5) as s:
                    s.sendall(b"ping")
                    assert s.recv(4) == b"ping"
                count += 1
            sys.exit(0 if count > 100 else 1)
            """)
        let ports = servers.map(\.port)
        let reader = node.reader
        let seen = Mutex<(rules: [UInt16: Set<UInt32>], events: Int)>(([:], 0))
        let consumer = Task {
            for try await event in try reader.events() where event.kind == .opened {
                seen.withLock {
                    $0.rules[event.destination.port, default: []].insert(event.rule)
                    $0.events += 1
                }
            }
        }
        var generation: UInt32 = 3
        var status: Int32 = 0
        while waitpid(child, &status, WNOHANG) == 0 {
            try node.apply(snapshot(generation))
            generation += 1
        }
        #expect(status == 0, "a connect failed: the program sees no snapshot, or half of one")
        #expect(generation > 20)
        let opened = try #require(try outbound(node)).opened
        let statistics = try node.reader.statistics()
        let lost = statistics.eventsLost + statistics.eventsLimited
        _ = try await eventually("every event was read") {
            seen.withLock { UInt64($0.events) + lost >= opened ? true : nil }
        }
        consumer.cancel()
        try await consumer.value
        let (rules, events) = seen.withLock { $0 }
        // An endpoint of one snapshot by a policy of the other is not wrong: neither is half of anything.
        #expect(
            Set(rules.keys) == Set(ports) && rules.values.allSatisfy { $0.isSubset(of: [100, 101]) },
            "\(events) events of \(opened) connections, \(lost) lost, generation \(generation)")
    }

    private func outbound(_ node: KernelNode) throws -> CounterRecord? {
        try node.reader.counters().first { $0.direction == .outbound && $0.sourceWorkload == 7 }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import MallaKernel
import MallaModel
import Testing

@Suite("Applying cuts open connections", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct RevocationTests {
    @Test("of 10,000 open connections those of one source are cut by the apply that denies it, the others go on")
    func crowd() throws {
        let mesh = try TestMesh("crowd")
        let node = try KernelNode(mesh.settings)
        #expect(node.startReport.revocationObstacle == nil)
        let clients = [try mesh.makeCgroup("w1"), try mesh.makeCgroup("w2")]
        _ = try mesh.makeCgroup("server")
        let folder = FileManager.default.temporaryDirectory.appending(path: "malla-crowd-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let server = try mesh.startPython(in: "server", Self.server(folder.path))
        defer {
            // The server ends when its folder is gone.
            try? FileManager.default.removeItem(at: folder)
            _ = TestMesh.wait(server)
        }
        let port = try #require(UInt16(try wait(for: "port", in: folder)))
        try node.apply(Self.snapshot(1, port: port, clients: clients, denied: nil))
        let many = try mesh.startPython(in: "w1", Self.client(folder.path, "many", count: 9_999, cut: false))
        let one = try mesh.startPython(in: "w2", Self.client(folder.path, "one", count: 1, cut: true))
        _ = try wait(for: "many", in: folder)
        _ = try wait(for: "one", in: folder)

        var cuts: [Cut] = []
        try node.apply(Self.snapshot(2, port: port, clients: clients, denied: nil)) { cuts += $0 }
        #expect(cuts.isEmpty, "nothing was forbidden")
        let start = Self.now()
        try node.apply(Self.snapshot(3, port: port, clients: clients, denied: 19)) { cuts += $0 }
        let applied = Self.now()
        // The client of the one waits for it, and writes down when it came.
        let seen = try #require(UInt64(try wait(for: "cut", in: folder)))
        print(
            "revocation: 1 of 10,000 open connections was cut \((seen - min(seen, start)) / 1_000_000) ms after the change "
                + "was given to the kernel side, which took \((applied - start) / 1_000_000) ms to its end")
        #expect(Set(cuts.map(\.connection)).count == 1)
        #expect(cuts.allSatisfy { $0.reason.name == "revoked" && $0.rule == 66 && $0.sourceWorkload == 9 })
        #expect(try node.revoke().isEmpty)
        // Both processes look only now: what was to be cut is cut already.
        try Data().write(to: folder.appending(path: "go"))
        #expect(TestMesh.wait(many) == 0, "the others go on")
        #expect(TestMesh.wait(one) == 0, "the one is cut")
        #expect(try node.reader.counters().contains { $0.reason.name == "revoked" && $0.denied == 1 })
    }

    /// CLOCK_MONOTONIC in nanoseconds, as Python tells it.
    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Source identity 17 is w1's, 19 is w2's.
    private static func snapshot(_ generation: UInt32, port: UInt16, clients: [UInt64], denied: UInt32?) -> Snapshot {
        var snapshot = Snapshot.small(generation: generation, endpointPort: port, rule: 9, client: clients[0])
        snapshot.workloads.append(
            .init(number: 9, name: ObjectName("other"), identity: 19, cgroup: clients[1], cgroupPath: "/other"))
        if let denied {
            snapshot.policies.entries[.init(scope: 5, source: denied, port: 0)] = .init(
                denyRule: 66, defaultReason: .policyNotAllowed)
        }
        return snapshot
    }

    private static func server(_ folder: String) -> String {
        """
        import os, resource, selectors, socket
        resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        with open("\(folder)/.port", "w") as file: file.write(str(listener.getsockname()[1]))
        os.rename("\(folder)/.port", "\(folder)/port")
        waiting = selectors.DefaultSelector()
        waiting.register(listener, selectors.EVENT_READ)
        while os.path.exists("\(folder)"):
            for key, _ in waiting.select(0.2):
                if key.fileobj is listener:
                    waiting.register(listener.accept()[0], selectors.EVENT_READ)
                    continue
                try: data = key.fileobj.recv(100)
                except OSError: data = b""
                if data: key.fileobj.send(data)
                else:
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()
        """
    }

    private static func client(_ folder: String, _ name: String, count: Int, cut: Bool) -> String {
        """
        import errno, os, resource, socket, sys, time
        resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
        sockets = [socket.create_connection(("240.240.0.1", 80), 10) for _ in range(\(count))]
        def trouble(s):
            try:
                s.sendall(b"?")
                return 0 if s.recv(1) == b"?" else errno.ENODATA
            except OSError as error: return error.errno or errno.ETIMEDOUT
        for s in sockets: assert trouble(s) == 0
        open("\(folder)/\(name)", "w").close()
        if \(cut ? 1 : 0):
            sockets[0].settimeout(60)
            try: sockets[0].recv(1)
            except ConnectionError: pass
            with open("\(folder)/.cut", "w") as file: file.write(str(time.monotonic_ns()))
            os.rename("\(folder)/.cut", "\(folder)/cut")
        while not os.path.exists("\(folder)/go"): assert os.path.exists("\(folder)"); time.sleep(0.01)
        troubles = [trouble(s) for s in sockets]
        good = all(troubles) if \(cut ? 1 : 0) else not any(troubles)
        if not good: print(set(troubles), file=sys.stderr)
        sys.exit(0 if good else 1)
        """
    }

    /// The content of a file that another process will write, within fifteen seconds.
    private func wait(for name: String, in folder: URL) throws -> String {
        for _ in 0..<1500 {
            if let text = try? String(contentsOf: folder.appending(path: name), encoding: .utf8) { return text }
            usleep(10_000)
        }
        throw Missing(file: name)
    }

    private struct Missing: Error { let file: String }
}

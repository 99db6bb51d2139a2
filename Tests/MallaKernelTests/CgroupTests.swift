// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc
import MallaModel
import Testing

@testable import MallaKernel

@Suite("Who is in which cgroup", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct CgroupTests {
    /// w1 is a workload that may connect, w2 is nobody's. The program has `ask()`, which makes one connect of a new
    /// socket and answers its errno, and `move(name)`, which takes its process to another cgroup of the mesh.
    private func run(_ name: String, in cgroup: String, folders: [String] = [], _ program: String) throws -> Int32 {
        let mesh = try TestMesh("cgroup-\(name)")
        let node = try KernelNode(mesh.settings)
        let client = try mesh.makeCgroup("w1")
        _ = try mesh.makeCgroup("w2")
        for folder in folders { _ = try mesh.makeCgroup(folder) }
        defer { for folder in folders.reversed() { Self.remove("\(mesh.settings.cgroup)/\(folder)") } }
        let server = try EchoListener()
        try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        let status = try mesh.python(
            in: cgroup,
            """
            import errno, socket, sys, threading
            ROOT = "\(mesh.settings.cgroup)"
            def ask():
                with socket.socket() as s: return s.connect_ex(("240.240.0.1", 80))
            def write(name, file, text):
                with open(ROOT + "/" + name + "/" + file, "w") as f: f.write(text)
            def move(name): write(name, "cgroup.procs", "0")
            def want(what, got):
                if got != what: print("\(name):", errno.errorcode.get(got, got), file=sys.stderr); sys.exit(1)
            """ + "\n" + program)
        withExtendedLifetime((node, server)) {}
        return status
    }

    @Test("a process that is moved is somebody else with its next socket, and back again")
    func moved() throws {
        let status = try run(
            "moved", in: "w2",
            """
            for _ in range(50):
                want(errno.EPERM, ask()); move("w1"); want(0, ask()); move("w2")
            """)
        #expect(status == 0)
    }

    @Test("what lies in a workload's cgroup is the workload, at any depth and however new")
    func nested() throws {
        let status = try run(
            "nested", in: "w1", folders: ["w1/a", "w1/a/b", "w2/a"],
            """
            import os
            move("w1/a"); want(0, ask()); move("w1/a/b"); want(0, ask())
            os.mkdir(ROOT + "/w1/a/b/late")
            try: move("w1/a/b/late"); want(0, ask()); move("w1/a/b")
            finally: os.rmdir(ROOT + "/w1/a/b/late")
            move("w2/a"); want(errno.EPERM, ask()); move("w1/a/b"); want(0, ask())
            """)
        #expect(status == 0)
    }

    @Test("threads in a threaded cgroup of a workload's are the workload")
    func threaded() throws {
        let status = try run(
            "threaded", in: "w1", folders: ["w1/t"],
            """
            write("w1/t", "cgroup.type", "threaded")
            answers = []
            def thread():
                write("w1/t", "cgroup.threads", str(threading.get_native_id()))
                answers.append(ask())
            one = threading.Thread(target=thread); one.start(); one.join()
            want(0, answers[0]); want(0, ask())
            """)
        #expect(status == 0)
    }

    @Test("a cgroup that was removed and made anew by its name is another one, and nothing of the former stays")
    func again() throws {
        let mesh = try TestMesh("cgroup-again")
        let node = try KernelNode(mesh.settings)
        let server = try EchoListener()
        func connect() throws -> Int32 {
            try mesh.python(
                in: "w1", "import socket, sys\nwith socket.socket() as s: sys.exit(s.connect_ex(('240.240.0.1', 80)))")
        }
        var former: UInt64 = 0
        for generation in 1...5 as ClosedRange<UInt32> {
            let cgroup = try mesh.makeCgroup("w1")
            #expect(cgroup != former)
            #expect(try connect() == EPERM, "its name is no identity")
            try node.apply(.small(generation: generation, endpointPort: server.port, rule: 9, client: cgroup))
            #expect(try connect() == 0)
            let entries = try node.maps.workloads.entries().map(\.key)
            #expect(Set(entries) == [cgroup, node.proxyCgroup], "the former one is in no map")
            former = cgroup
            Self.remove("\(mesh.settings.cgroup)/w1")
        }
    }

    /// A process that has just ended may take a moment to leave its cgroup.
    private static func remove(_ path: String) {
        for _ in 0..<500 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) }
    }
}

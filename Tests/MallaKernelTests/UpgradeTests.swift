// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Foundation
import Glibc
import MallaModel
import Testing

@testable import MallaKernel

/// What a version brings along is put to work while clients connect all the time: one that must always get through
/// and one that never may.
@Suite("Upgrades under load", .serialized, .removesMeshes, .timeLimit(.minutes(90)))
struct UpgradeTests {
    @Test("10,000 programs are replaced behind their links: no connect is wrong, and nothing leaks")
    func programs() throws {
        let mesh = try TestMesh("replace")
        let listener = try EchoListener()
        let node = try KernelNode(mesh.settings)
        let client = try mesh.makeCgroup("w1")
        _ = try mesh.makeCgroup("w2")
        try node.apply(.small(generation: 1, endpointPort: listener.port, rule: 9, client: client))
        let pins = PinFolder(root: mesh.settings.pins)
        let links = try KernelReader(pins: pins.root).links().map(\.id)
        let probes = try Probes(mesh)
        var updates = 0
        let start = ContinuousClock.now
        do {
            // Two builds' programs over the same maps, in turn.
            let sets = try [ProgramSet.load(pins), ProgramSet.load(pins)].map {
                Capture(pins: pins, programs: $0.programs)
            }
            while updates < 10_000 {
                for set in sets { updates += try set.adopt().adopted }
            }
        }
        let (allowed, denied) = try probes.end()
        print(
            "upgrade: \(updates) programs replaced under \(allowed) allowed and \(denied) denied connects, "
                + "\(ContinuousClock.now - start)")
        #expect(allowed > 100 && denied > 100)
        #expect(try KernelReader(pins: pins.root).links().map(\.id) == links, "the same links")
        #expect(try node.repair().contains { $0.damage == .replaced }, "this node's own are put back")
        #expect(try node.repair().isEmpty)
    }

    @Test("start after start: the same maps and links, and only the last one's programs are left")
    func reloads() async throws {
        let mesh = try TestMesh("reloads")
        let starts = ProcessInfo.processInfo.environment["MALLA_RELOADS"].flatMap { Int($0) } ?? 3
        var programs: Set<UInt32> = []
        var (maps, links): ([UInt32], [UInt32]) = ([], [])
        for number in 1...starts {
            let node = try KernelNode(mesh.settings)
            try node.apply(.small(generation: UInt32(number), endpointPort: 7000, rule: 9))
            let those = (try node.reader.mapSummaries().map(\.id), try node.reader.links().map(\.id))
            if number == 1 { (maps, links) = those }
            #expect(those == (maps, links))
            programs.formUnion(try node.reader.programs().map(\.description.id))
            if number % 50 == 0 {
                print("reload: \(number) of \(starts)")
                fflush(nil)
            }
        }
        let pinned = Set(try KernelReader(pins: mesh.settings.pins).programs().map(\.description.id))
        let gone = programs.subtracting(pinned)
        #expect(pinned.count * (starts - 1) == gone.count, "each start had programs of its own")
        // The kernel frees them a moment later.
        for _ in 0..<100 where try !gone.isDisjoint(with: KernelObjects.programs()) {
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try gone.isDisjoint(with: KernelObjects.programs()), "programs of former starts are left")
        print("reload: \(starts) starts, \(gone.count) programs came and went")
    }

    @Test("another ABI: the former programs decide until this one's maps are whole, and end with their connections")
    func otherABI() throws {
        let mesh = try TestMesh("abi-change")
        let listener = try EchoListener()
        let client = try addFormerVersion(mesh, listener)
        let probes = try Probes(mesh)
        // A connection that lives across the change, and asks for the address that it was made to.
        let held = try mesh.startPython(
            in: "w1",
            """
            import socket, sys, time, os
            s = socket.create_connection(("240.240.0.1", 80), 10); s.settimeout(10)
            while not os.path.exists("/tmp/mallakernel-\(getpid())-changed"):
                s.sendall(b"x"); assert s.recv(1) == b"x"; time.sleep(0.005)
            assert s.getpeername() == ("240.240.0.1", 80), s.getpeername()
            s.sendall(b"y"); assert s.recv(1) == b"y"
            """)
        let signal = "/tmp/mallakernel-\(getpid())-changed"
        defer { unlink(signal) }
        let old = mesh.settings.pins + "/1/links"
        try eventually { FormerABI(pins: PinFolder(root: mesh.settings.pins, version: "1")).hasConnections }

        let node = try KernelNode(mesh.settings)
        #expect(node.startReport.formerABIs == [1] && node.startReport.attachedLinks == 0)
        #expect(try node.repair().isEmpty, "what is not this version's yet is left alone")
        let link = try BPFLink(pinned: "\(old)/\(node.cgroup)/malla_connect4").describe().id
        #expect(try node.apply(.small(generation: 1, endpointPort: listener.port, rule: 9, client: client)) == 1)
        let after = try node.reader.links()
        #expect(after.first { $0.name == "malla_connect4" }?.id == link, "the same link, another program")
        let left = try Folder.names("\(old)/\(node.cgroup)")
        #expect(Set(left) == Capture.follow, "the former ones follow their connections: \(left)")
        #expect(try node.repair().isEmpty)
        #expect(Folder.exists(old), "a connection still has its record there")

        try #require(close(creat(signal, 0o600)) == 0)
        #expect(TestMesh.wait(held) == 0, "it knew its service's address and lost no byte")
        let (allowed, denied) = try probes.end()
        print("upgrade: ABI changed under \(allowed) allowed and \(denied) denied connects")
        try eventually {
            _ = try node.repair()
            return !Folder.exists(mesh.settings.pins + "/1")
        }
        #expect(try KernelReader(pins: mesh.settings.pins).links().count == after.count)
    }

    @Test("an ABI change that was cut off half-way is completed by the next start")
    func cutOff() throws {
        let mesh = try TestMesh("abi-half")
        let listener = try EchoListener()
        let client = try addFormerVersion(mesh, listener)
        let probes = try Probes(mesh)
        let snapshot = Snapshot.small(generation: 1, endpointPort: listener.port, rule: 9, client: client)
        do {
            // Applied, and then as if the daemon had died between two links.
            let first = try KernelNode(mesh.settings)
            try first.apply(snapshot)
            let folder = "\(first.cgroup)/malla_connect6"
            try Folder.make(mesh.settings.pins + "/1/links/\(first.cgroup)")
            try Folder.replace(
                mesh.settings.pins + "/1/links/" + folder, by: try mesh.pinned(newest: true) + "/links/" + folder)
        }
        let second = try KernelNode(mesh.settings)
        #expect(second.startReport.formerABIs == [1])
        try second.apply(snapshot)
        let (allowed, denied) = try probes.end()
        #expect(allowed > 0 && denied > 0)
        try eventually {
            _ = try second.repair()
            return !Folder.exists(mesh.settings.pins + "/1")
        }
        #expect(try second.reader.links().count { $0.name == "malla_connect6" && $0.attachType != nil } == 1)
    }

    @Test("a downgrade is refused, says why, and changes nothing")
    func downgrade() throws {
        let mesh = try TestMesh("downgrade")
        do { try KernelNode(mesh.settings).apply(.small(generation: 1, endpointPort: 7000, rule: 9)) }
        let newer = mesh.settings.pins + "/4000000000"
        try Folder.replace(newer, by: mesh.pinned())
        let before = try Folder.names(newer + "/maps")
        #expect { _ = try KernelNode(mesh.settings) } throws: {
            ($0 as? KernelError)?.code == .otherABI && "\($0)".contains("newer version with ABI 4000000000")
                && "\($0)".contains("malla cleanup --pins")
        }
        #expect(try Folder.names(mesh.settings.pins) == ["4000000000"] && Folder.names(newer + "/maps") == before)
    }

    /// Leaves what a daemon with ABI 1 would have left: w1 is a workload that may connect, w2 is nobody's.
    private func addFormerVersion(_ mesh: TestMesh, _ listener: EchoListener) throws -> UInt64 {
        let client = try {
            let former = try KernelNode(mesh.settings)
            let client = try mesh.makeCgroup("w1")
            _ = try mesh.makeCgroup("w2")
            try former.apply(.small(generation: 8, endpointPort: listener.port, rule: 9, client: client))
            return client
        }()
        try Folder.replace(mesh.settings.pins + "/1", by: mesh.pinned())
        return client
    }

    /// Looks every 10 ms for up to 15 s.
    private func eventually(_ holds: () throws -> Bool) throws {
        for _ in 0..<1500 {
            if try holds() { return }
            usleep(10_000)
        }
        throw POSIXFailure("not within 15 s")
    }
}

/// Two clients that connect all the time: the one in w1 must get through and the one in w2 must not.
struct Probes: ~Copyable {
    private let mesh: TestMesh
    private let children: [pid_t]
    private let files: [String]

    init(_ mesh: TestMesh) throws {
        self.mesh = mesh
        let files = ["w1", "w2"].map { "/tmp/mallakernel-\(getpid())-\(mesh.settings.pins.count)-\($0)" }
        children = try zip(["w1", "w2"], files).map { cgroup, file in
            unlink(file)
            return try mesh.startPython(
                in: cgroup,
                """
                import signal, socket, struct, sys, time
                stopped, right, wrong = [], 0, {}
                signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
                open("\(file)", "w").close()
                while not stopped:
                    s = socket.socket(); s.settimeout(10)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    try:
                        s.connect(("240.240.0.1", 80)); s.sendall(b"z"); outcome = 0 if s.recv(1) == b"z" else -1
                    except OSError as e: outcome = e.errno
                    s.close(); time.sleep(0.0005)
                    if (outcome == 0) == ("\(cgroup)" == "w1"): right += 1
                    else: wrong[outcome] = wrong.get(outcome, 0) + 1
                open("\(file)", "w").write(f"{right} {wrong}")
                """, seconds: 800)
        }
        self.files = files
        for file in files {
            for _ in 0..<1000 where access(file, F_OK) != 0 { usleep(10_000) }
        }
    }

    /// Ends both; how many connects were as they must be. A wrong one fails the test.
    consuming func end() throws -> (allowed: Int, denied: Int) {
        var counts: [Int] = []
        for (child, file) in zip(children, files) {
            kill(child, SIGTERM)
            _ = TestMesh.wait(child)
            let text = try #require(Self.read(file), "\(file)")
            unlink(file)
            #expect(text.hasSuffix(" {}"), "wrong outcomes by errno: \(text)")
            counts.append(Int(text.prefix { $0 != " " }) ?? 0)
        }
        return (counts[0], counts[1])
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }
}

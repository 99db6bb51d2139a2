// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import Glibc
import MallaModel
import Testing

@testable import MallaKernel

/// The kernel charges what a map needs to the memory group of whoever made it. A limit on that group has the maps' own
/// allocations fail, and nobody else's.
@Suite("Maps without memory", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct ScarceMemoryTests {
    /// Above the cookies of sockets.
    private static let strangers: UInt64 = 1 << 60

    /// Takes what the kernel has charged ahead for a CPU, until a young record finds no memory there.
    ///
    /// - Returns: how many records that took.
    private static func exhaust(_ node: KernelNode) throws -> UInt64 {
        var next = strangers
        var failures = 0
        // A few times: the kernel makes some ahead, a moment after it was asked.
        while failures < 20 {
            do {
                try node.maps.young.update(next, malla_connection())
                next += 1
                failures = 0
            } catch let error as BPFError where error.errno == ENOMEM {
                failures += 1
                usleep(1000)
            }
        }
        return next - strangers
    }

    @Test("no connect goes on without a record: one is kept with its socket, or the connect is refused and counted")
    func connects() throws {
        let mesh = try TestMesh("scarce")
        let group = try MemoryGroup("malla-scarce-\(getpid())")
        defer { group.remove() }
        try group.enter()
        let node = try KernelNode(mesh.settings)
        try group.leave()
        let client = try mesh.makeCgroup("w1")
        let server = try EchoListener()
        try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        try group.limit()
        #expect(try Self.exhaust(node) > 0)
        let count = 400
        let child = try mesh.startPython(
            in: "w1",
            """
            import os, signal, socket, sys, time
            stopped = []
            signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
            kept = []
            cpus = sorted(os.sched_getaffinity(0))
            for number in range(\(count)):
                # What was charged ahead for another CPU may last for long there.
                os.sched_setaffinity(0, {cpus[number % len(cpus)]})
                s = socket.socket()
                error = s.connect_ex(("240.240.0.1", 80))
                if error == 0:
                    kept.append(s)
                elif error != 1:
                    sys.exit(2)
            while not stopped:
                time.sleep(0.02)
            for s in kept:
                s.settimeout(60); s.sendall(b"x"); assert s.recv(1) == b"x"; s.close()
            sys.exit(0)
            """)
        for _ in 0..<6000 where try node.reader.statistics().decisions < count { usleep(10_000) }
        let young = try node.maps.young.entries().count { $0.key < Self.strangers }
        let refused = Int(try node.reader.statistics().storageFailed)
        #expect(young < count, "there was memory for all of them")
        try group.lift()
        let listed = try node.reader.connections().filter { $0.sourceWorkload == 7 && $0.direction == .outbound }
        #expect(listed.count == count - refused, "\(young) young, \(refused) refused")
        let counters = try node.reader.counters().filter { $0.direction == .outbound }
        #expect(counters.reduce(0) { $0 + Int($1.opened) } == count - refused, "\(counters)")
        #expect(counters.reduce(0) { $0 + Int($1.denied) } == refused, "\(counters)")
        kill(child, SIGTERM)
        #expect(TestMesh.wait(child) == 0, "who is connected is served")
        #expect(try HookMapTests.connect(mesh, "w1") == 0, "with memory it goes on")
        try node.maps.young.delete(node.maps.young.entries().map(\.key).filter { $0 >= Self.strangers })
        print("scarce: of \(count) connections \(young) were among the young, \(refused) refused")
    }
}

/// A group of processes whose memory can be limited, of whichever version of cgroups has the controller.
private struct MemoryGroup {
    private let path: String
    private let home: String
    private let isFirst: Bool

    init(_ name: String) throws {
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: " ")
        }
        let own = try String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        }
        let first = mounts.first { $0.count > 3 && $0[2] == "cgroup" && $0[3].split(separator: ",").contains("memory") }
        let mount = String(try #require(first ?? mounts.first { $0.count > 2 && $0[2] == "cgroup2" })[1])
        isFirst = first != nil
        let controller = isFirst ? "memory" : ""
        let mine = try #require(
            own.first { $0.count == 3 && $0[1].split(separator: ",").joined(separator: ",") == controller })
        home = mount + String(mine[2])
        path = "\(mount)/\(name)"
        if !isFirst {
            try "+memory".write(toFile: "\(mount)/cgroup.subtree_control", atomically: false, encoding: .utf8)
        }
        try #require(mkdir(path, 0o755) == 0, "\(path): \(String(cString: strerror(errno)))")
    }

    /// Takes this process in: what it makes from now on is charged here.
    func enter() throws { try put("\(getpid())", "\(path)/cgroup.procs") }
    func leave() throws { try put("\(getpid())", "\(home)/cgroup.procs") }

    /// Allows no more than there is.
    func limit() throws {
        let used = try String(
            contentsOfFile: "\(path)/\(isFirst ? "memory.usage_in_bytes" : "memory.current")", encoding: .utf8)
        try put(used.trimmingCharacters(in: .whitespacesAndNewlines), limitFile)
    }

    func lift() throws { try put(isFirst ? "-1" : "max", limitFile) }

    func remove() {
        try? leave()
        try? lift()
        for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) }
    }

    private var limitFile: String { "\(path)/\(isFirst ? "memory.limit_in_bytes" : "memory.max")" }

    private func put(_ text: String, _ file: String) throws {
        try text.write(toFile: file, atomically: false, encoding: .utf8)
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Foundation
import MallaAPI
import MallaKernel
import MallaModel
import Testing

/// What the command line reads and removes without a daemon, on the real kernel.
@Suite("Pinned nodes without a daemon", .serialized, .timeLimit(.minutes(15)))
struct KernelTests {
    /// A node of its own, pinned and then left alone, as if its daemon had been killed.
    private final class Node {
        /// Nothing of the kind that the daemon leaves.
        static let foreign = "/tmp/malla-cli-foreign-\(getpid())"
        let cgroup: String
        let pins: String
        var location: [String] { ["--pins", pins] }

        init(_ name: String) throws {
            cgroup = "\(try Node.mount())/malla-cli-\(name)-\(getpid())"
            pins = "/sys/fs/bpf/malla-cli-\(name)-\(getpid())"
            let node = try KernelNode(KernelSettings(cgroup: cgroup, pins: pins, proxyPort: 0, dnsPort: 0))
            _ = try node.apply(
                Snapshot(
                    generation: 3, trustDomain: "malla.local",
                    services: [
                        .init(
                            number: 5, name: ObjectName("backend"), addresses: [Address(ipv4: 0xf0f0_0005)], ports: [])
                    ]))
        }

        /// Where the cgroup v2 hierarchy is.
        static func mount() throws -> String {
            let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
            let lines = mounts.split(separator: "\n").map { $0.split(separator: " ") }
            return String(try #require(lines.first { $0.dropFirst(2).first == "cgroup2" })[1])
        }

        deinit {
            _ = try? KernelNode.cleanUp(pins: pins)
            for path in ["/workloads/a.default", "/workloads", "/proxy", ""] { rmdir(cgroup + path) }
        }

        func cleanup(_ arguments: String...) throws -> Output {
            try malla(
                ["cleanup", "--pins", pins, "--cgroup", cgroup, "--state", "/nowhere", "--admin", "/nowhere/a"]
                    + arguments)
        }
    }

    @Test("maps and programs are read from the pins, and standard error says so")
    func reading() throws {
        let node = try Node("read")
        let maps = try malla(
            ["maps", "list", "--admin", "/nowhere", "-o", "json"], environment: ["MALLA_PINS": node.pins])
        #expect(maps.status == 0 && maps.errors.contains("reading what is pinned in \(node.pins)"), "\(maps.errors)")
        let views = try JSONDecoder().decode([MapView].self, from: Data(maps.text.utf8))
        #expect(views.contains { $0.name == "malla_services" && $0.maxEntries == 65536 && $0.pin.hasPrefix(node.pins) })

        let programs = try malla(["programs", "list", "-o", "json"] + node.location)
        #expect(
            programs.status == 0 && programs.errors.isEmpty, "an explicit --pins asks no daemon: \(programs.errors)")
        let hooks = try JSONDecoder().decode([ProgramView].self, from: Data(programs.text.utf8))
        #expect(hooks.first { $0.name == "malla_connect4" }?.attached == [node.cgroup])
        #expect(hooks.allSatisfy { !$0.tag.isEmpty && $0.instructions > 0 })

        let generation = try malla(["maps", "dump", "generation"] + node.location)
        let rows = generation.text.split(separator: "\n").dropFirst().map { $0.split(separator: " ") }
        #expect(rows == [["policies", "3"], ["snapshot", "3"]], "\(generation.errors)")
        let show = try malla(["maps", "show", "malla_services"] + node.location)
        #expect(show.text.contains("most      65536\n"), "\(show.text)\(show.errors)")
        let missing = try malla(["maps", "dump", "servces"] + node.location)
        #expect(missing.status == 1 && missing.errors.contains("did you mean malla_services?"), "\(missing.errors)")
    }

    @Test("check looks at what is pinned while no daemon answers")
    func check() throws {
        let node = try Node("check")
        let output = try malla(["doctor", "--admin", "/nowhere"] + node.location)
        #expect(output.status == 3 && output.text.contains("× no daemon answers on /nowhere"))
        #expect(output.text.contains("programs are attached to \(node.cgroup)\n"), "\(output.text)")
        #expect(output.text.contains("links are pinned in \(node.pins)/4/links: they outlive the daemon\n"))
    }

    @Test("cleanup removes every object, proves it, and finds nothing the second time")
    func cleanup() throws {
        let node = try Node("clean")
        let links = try KernelReader(pins: node.pins).links().map(\.id)
        let maps = try KernelReader(pins: node.pins).mapSummaries().map(\.id)
        #expect(!links.isEmpty && !maps.isEmpty)
        let output = try node.cleanup()
        #expect(output.status == 0 && output.errors.isEmpty, "\(output.errors)")
        #expect(output.text.contains("removed map malla_policies\n"))
        #expect(output.text.contains("removed cgroup \(node.cgroup)\n"))
        #expect(output.text.contains("nothing is left: \(links.count) links,"), "\(output.text)")
        #expect(Set(try KernelObjects.links()).isDisjoint(with: links))
        #expect(Set(try KernelObjects.maps()).isDisjoint(with: maps))
        #expect(
            !FileManager.default.fileExists(atPath: node.pins) && !FileManager.default.fileExists(atPath: node.cgroup))
        #expect(try node.cleanup().text == "there is nothing to remove\n")

        try "x".write(toFile: Node.foreign, atomically: true, encoding: .utf8)
        defer { unlink(Node.foreign) }
        #expect(try node.cleanup("--admin", Node.foreign).text == "there is nothing to remove\n")
        #expect(FileManager.default.fileExists(atPath: Node.foreign), "a file that is no socket stays")
    }

    @Test("cleanup refuses while a workload runs; with --force its processes go on outside the mesh")
    func runningWorkload() throws {
        let node = try Node("busy")
        let workload = "\(node.cgroup)/workloads/a.default"
        try FileManager.default.createDirectory(atPath: workload, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["60"]
        try process.run()
        defer { process.terminate() }
        try "\(process.processIdentifier)".write(toFile: "\(workload)/cgroup.procs", atomically: false, encoding: .utf8)

        let refused = try node.cleanup()
        #expect(refused.status == 1 && refused.text.isEmpty && refused.errors.contains(workload), "\(refused.errors)")
        #expect(try !KernelReader(pins: node.pins).links().isEmpty, "nothing was touched")

        let forced = try node.cleanup("--force")
        #expect(forced.status == 0, "\(forced.errors)")
        #expect(forced.text.contains("removed process \(process.processIdentifier) from the mesh"))
        #expect(process.isRunning)
    }

    @Test("cleanup refuses while a daemon listens")
    func runningDaemon() throws {
        let node = try Node("daemon")
        let admin = try FakeAdmin([:])
        defer { admin.stop() }
        let output = try malla([
            "cleanup", "--pins", node.pins, "--cgroup", node.cgroup, "--state", "/nowhere", "--admin", admin.socket,
        ])
        #expect(output.status == 1 && output.text.isEmpty)
        #expect(output.errors.contains("a daemon runs, process \(getpid())"), "\(output.errors)")
        #expect(try !KernelReader(pins: node.pins).links().isEmpty, "nothing was touched")
    }

    @Test("cleanup touches no directory that is no pin directory")
    func wrongDirectory() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("malla-cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("precious")
        try "x".write(to: file, atomically: true, encoding: .utf8)
        let output = try malla([
            "cleanup", "--pins", directory.path, "--cgroup", "\(try Node.mount())/malla-cli-none", "--state",
            directory.path, "--admin",
            file.path,
        ])
        #expect(output.status == 1 && output.errors.contains("not on a BPF file system"), "\(output.errors)")
        #expect(FileManager.default.fileExists(atPath: file.path))
    }
}

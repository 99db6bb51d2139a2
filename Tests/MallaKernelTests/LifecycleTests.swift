// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaKernel
import MallaModel
import Testing

@Suite("Start, adopt, clean up", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct LifecycleTests {
    @Test("the second start adopts the same maps and links and brings its own programs")
    func adopt() throws {
        let mesh = try TestMesh("adopt")
        let attached = try withNode(mesh) { first in
            #expect(!first.startReport.adopted)
            #expect(first.startReport.attachedLinks > 0)
            try first.apply(.small(generation: 4, endpointPort: 7000, rule: 9))
            return first.startReport.attachedLinks
        }
        let links = try linkIDs(mesh)
        let maps = try mapIDs(mesh)

        let second = try KernelNode(mesh.settings)
        #expect(second.startReport.adopted)
        #expect(second.startReport.createdMaps.isEmpty)
        #expect(second.startReport.adoptedLinks == attached)
        #expect(second.startReport.attachedLinks == 0)
        #expect(second.startReport.generation == 4)
        let after = try linkIDs(mesh)
        #expect(after.mapValues(\.id) == links.mapValues(\.id))
        #expect(try mapIDs(mesh) == maps)
        // Fresh programs behind the same links.
        for (path, link) in after { #expect(link.program != links[path]?.program) }
    }

    @Test("a start that was cut off is completed by the next one")
    func cutOff() throws {
        let mesh = try TestMesh("cutoff")
        let root = try withNode(mesh) { $0.cgroup }
        let before = try linkIDs(mesh)
        for pin in ["links/\(root)/malla_connect6", "programs/malla_explain", "maps/malla_limits"] {
            try #require(unlink("\(mesh.settings.pins)/\(MALLA_ABI)/\(pin)") == 0, "\(pin)")
        }
        try withNode(mesh) { node in
            #expect(node.startReport.createdMaps == ["malla_limits"])
            #expect(node.startReport.attachedLinks == 1)
            #expect(node.startReport.adoptedLinks == before.count - 1)
        }
        #expect(try linkIDs(mesh).count == before.count)
    }

    @Test("somebody else's folder is neither used nor cleaned")
    func strangeFolder() throws {
        let mesh = try TestMesh("strange")
        var settings = mesh.settings
        settings.pins = "/sys/fs/bpf/mallakernel-strangers-\(getpid())"
        try #require(mkdir(settings.pins, 0o700) == 0 && mkdir(settings.pins + "/theirs", 0o700) == 0)
        defer {
            rmdir(settings.pins + "/theirs")
            rmdir(settings.pins)
        }
        #expect { _ = try KernelNode(settings) } throws: { "\($0)".contains("theirs") }
        #expect { _ = try KernelNode.cleanUp(pins: settings.pins) } throws: { "\($0)".contains("theirs") }
        #expect(access(settings.pins + "/theirs", F_OK) == 0)
    }

    @Test("a second daemon on the same pins is refused")
    func secondDaemon() throws {
        let mesh = try TestMesh("second")
        let first = try KernelNode(mesh.settings)
        #expect { _ = try KernelNode(mesh.settings) } throws: { ($0 as? KernelError)?.code == .inUse }
        #expect { _ = try KernelNode.cleanUp(pins: mesh.settings.pins) } throws: {
            ($0 as? KernelError)?.code == .inUse
        }
        withExtendedLifetime(first) {}
    }

    @Test("pins of another ABI are refused, with the command that mends it")
    func otherABI() throws {
        let mesh = try TestMesh("abi")
        try #require(mkdir(mesh.settings.pins, 0o700) == 0)
        try #require(mkdir(mesh.settings.pins + "/99", 0o700) == 0)
        #expect { _ = try KernelNode(mesh.settings) } throws: {
            ($0 as? KernelError)?.code == .otherABI && "\($0)".contains("malla cleanup")
        }
    }

    @Test("a pinned map of another layout is refused and stays")
    func otherLayout() throws {
        let mesh = try TestMesh("layout")
        let pins = mesh.settings.pins
        for folder in [pins, pins + "/\(MALLA_ABI)", pins + "/\(MALLA_ABI)/maps"] {
            try #require(mkdir(folder, 0o700) == 0)
        }
        let other = try TestMesh("layout2")
        try withNode(other) { node in
            let pin = try #require(node.reader.mapSummaries().first { $0.name == "malla_local" }).pin
            try RawMap(pinned: pin).pin(at: pins + "/\(MALLA_ABI)/maps/malla_policies")
        }
        #expect { _ = try KernelNode(mesh.settings) } throws: {
            ($0 as? KernelError)?.code == .layout && "\($0)".contains("malla_policies")
        }
    }

    @Test("the root of the cgroup tree is never captured")
    func rootCgroup() throws {
        let mesh = try TestMesh("root")
        var settings = mesh.settings
        settings.cgroup = String(
            mesh.settings.cgroup[..<(mesh.settings.cgroup.lastIndex(of: "/") ?? mesh.settings.cgroup.endIndex)])
        #expect { _ = try KernelNode(settings) } throws: { "\($0)".contains("root of the cgroup tree") }
        rmdir(settings.cgroup + "/proxy")
    }

    @Test("clean up leaves no map, program, link or pin")
    func cleanUp() async throws {
        let mesh = try TestMesh("cleanup")
        // By their ids, because other tests make and drop objects at the same time.
        let mine = try withNode(mesh) { node in
            try node.apply(.small(generation: 1, endpointPort: 7000, rule: 9))
            return KernelInventory(
                maps: Set(try node.reader.mapSummaries().map(\.id)),
                programs: Set(try node.reader.programs().map(\.description.id)),
                links: Set(try node.reader.links().map(\.id)))
        }
        #expect(try KernelInventory.now().contains(mine))

        let removed = try KernelNode.cleanUp(pins: mesh.settings.pins)
        #expect(removed.contains("map malla_policies"))
        #expect(removed.contains { $0.hasPrefix("link ") && $0.hasSuffix("/malla_connect4") })
        #expect(removed.contains("program malla_explain"))
        #expect(access(mesh.settings.pins, F_OK) != 0)
        #expect(try KernelNode.cleanUp(pins: mesh.settings.pins).isEmpty)
        // The kernel frees them a moment later.
        for _ in 0..<100 where try !KernelInventory.now().isDisjoint(with: mine) {
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try KernelInventory.now().isDisjoint(with: mine))
    }

    @Test("a captured cgroup outside of the mesh keeps its links over a restart, and loses them when it is released")
    func extraCgroup() throws {
        let mesh = try TestMesh("extra")
        let outside = try TestMesh("outside")
        try #require(mkdir(outside.settings.cgroup, 0o755) == 0)
        let id = try withNode(mesh) { first in
            let id = try first.attach(cgroup: outside.settings.cgroup)
            #expect(first.capturedCgroups == [id])
            return id
        }
        let links = try linkIDs(mesh)
        #expect(links.keys.contains { $0.hasPrefix("\(id)/") })

        let second = try KernelNode(mesh.settings)
        #expect(second.capturedCgroups == [id])
        #expect(try second.attach(cgroup: outside.settings.cgroup) == id)
        #expect(try linkIDs(mesh).mapValues(\.id) == links.mapValues(\.id))
        // What lies inside is captured already; what lies around would be captured twice.
        try second.attach(cgroup: mesh.settings.proxyCgroup)
        #expect(second.capturedCgroups == [id])

        #expect(try second.detach(cgroup: id))
        #expect(try !linkIDs(mesh).keys.contains { $0.hasPrefix("\(id)/") })
    }

    @Test("links of a cgroup that was removed are dropped at the next start")
    func cgroupGone() async throws {
        let mesh = try TestMesh("gone")
        let outside = try TestMesh("gone2")
        try #require(mkdir(outside.settings.cgroup, 0o755) == 0)
        let id = try withNode(mesh) { try $0.attach(cgroup: outside.settings.cgroup) }
        try #require(rmdir(outside.settings.cgroup) == 0)
        // The kernel lets go of its links a moment later.
        for _ in 0..<100
        where try KernelReader(pins: mesh.settings.pins).links().contains(where: {
            $0.cgroup == id && $0.attachType != nil
        }) {
            try await Task.sleep(for: .milliseconds(50))
        }

        let second = try KernelNode(mesh.settings)
        #expect(second.startReport.removedLinks > 0)
        #expect(second.capturedCgroups.isEmpty)
        #expect(try !linkIDs(mesh).keys.contains { $0.hasPrefix("\(id)/") })
    }

    /// Starts a node and ends it as the end of its process would: lock and descriptors go, pins stay.
    private func withNode<Result>(_ mesh: TestMesh, _ body: (KernelNode) throws -> Result) throws -> Result {
        try body(KernelNode(mesh.settings))
    }

    private func linkIDs(_ mesh: TestMesh) throws -> [String: (id: UInt32, program: UInt32)] {
        var links: [String: (id: UInt32, program: UInt32)] = [:]
        for link in try KernelReader(pins: mesh.settings.pins).links() {
            links["\(link.cgroup)/\(link.name)"] = (link.id, link.program)
        }
        return links
    }

    private func mapIDs(_ mesh: TestMesh) throws -> [String: UInt32] {
        try KernelReader(pins: mesh.settings.pins).mapSummaries().reduce(into: [:]) { $0[$1.name] = $1.id }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import BPFTestObjects
import Glibc
import MallaKernel
import MallaModel
import Testing

/// Others have the right to take the node's programs off, or to put theirs beside them.
@Suite("What others do to the node's programs", .removesMeshes, .timeLimit(.minutes(15)))
struct CareTests {
    @Test("links that were detached, replaced or unpinned, and lost pins, are put back; nothing else is touched")
    func repair() throws {
        let mesh = try TestMesh("repair")
        let node = try KernelNode(mesh.settings)
        try node.apply(.small(generation: 1, endpointPort: 7000, rule: 9))
        #expect(try node.repair().isEmpty, "all is well")
        let before = try links(mesh)

        let pins = try mesh.pinned()
        let folder = "\(pins)/links/\(node.cgroup)"
        try BPFLink(pinned: "\(folder)/malla_connect6").detach()
        try BPFLink(pinned: "\(folder)/malla_connect4").replaceProgram(by: stranger())
        for pin in ["links/\(node.cgroup)/malla_sendmsg4", "maps/malla_policies", "programs/malla_explain"] {
            try #require(unlink("\(pins)/\(pin)") == 0, "\(pin)")
        }
        let repairs = Set(try node.repair().map { "\($0.damage.rawValue) \($0.name) \($0.place)" })
        let root = mesh.settings.cgroup
        #expect(
            repairs == [
                "detached malla_connect6 \(root)", "replaced malla_connect4 \(root)", "unpinned malla_sendmsg4 \(root)",
                "lost malla_policies ", "lost malla_explain ",
            ])
        #expect(try node.repair().isEmpty, "once is enough")
        let after = try links(mesh)
        #expect(after.keys == before.keys)
        let anew = Set(after.filter { before[$0.key] != $0.value }.keys)
        #expect(anew == ["malla_connect6", "malla_sendmsg4"], "the others are the links that they were")
        #expect(try node.reader.entries(of: "malla_policies").count == 1, "the map in force, not a new one")
    }

    @Test("the whole pin folder removed under a running daemon: it is there again, and locked")
    func folderRemoved() throws {
        let mesh = try TestMesh("wiped")
        let node = try KernelNode(mesh.settings)
        try node.apply(.small(generation: 3, endpointPort: 7000, rule: 9))
        let count = try links(mesh).count
        try #require(mesh.remove(folder: mesh.settings.pins) == 0)
        #expect(access(mesh.settings.pins, F_OK) != 0)
        #expect(try node.repair().count { $0.damage == .unpinned } == count)
        #expect(try links(mesh).count == count)
        #expect(try KernelReader(pins: mesh.settings.pins).generation() == 3)
        #expect { _ = try KernelNode(mesh.settings) } throws: { ($0 as? KernelError)?.code == .inUse }
    }

    @Test("the mesh's cgroup removed under a running daemon is said, not mended in silence")
    func rootRemoved() throws {
        let mesh = try TestMesh("unrooted")
        let node = try KernelNode(mesh.settings)
        try #require(rmdir(mesh.settings.cgroup + "/proxy") == 0 && rmdir(mesh.settings.cgroup) == 0)
        for _ in 0..<2 {
            #expect { _ = try node.repair() } throws: {
                ($0 as? KernelError)?.code == .notFound && "\($0)".contains("restart mallad")
            }
            // Under the same name it is another cgroup.
            mkdir(mesh.settings.cgroup, 0o755)
        }
    }

    @Test("programs of others run beside the node's, are named with their order, and do not change a verdict")
    func foreign() throws {
        let mesh = try TestMesh("foreign", nested: true)
        let root = mesh.settings.cgroup
        let above = try #require(mesh.above)
        try #require(mkdir(root, 0o755) == 0)
        // One that was there before, one further up, as a service manager's, and one that comes later.
        let first = try BPFLink(attaching: stranger(), to: Cgroup(path: root))
        let outer = try BPFLink(attaching: stranger(), to: Cgroup(path: above))
        let node = try KernelNode(mesh.settings)
        let client = try mesh.makeCgroup("w1")
        let last = try BPFLink(attaching: stranger(), to: Cgroup(path: root))
        let inner = try BPFLink(attaching: stranger(), to: Cgroup(path: root + "/w1"))

        let found = try node.reader.foreignPrograms(on: [root, root + "/w1", root + "/gone"])
        let places = Set(found.map { "\($0.order.rawValue) \($0.place)" })
        #expect(places == ["before \(root)", "before \(root)/w1", "after \(root)", "after \(above)"])
        #expect(found.count == 4 && found.allSatisfy { $0.hook == "cgroup_inet4_connect" })
        #expect(found.allSatisfy { $0.name.hasPrefix("kit_connect4") }, "\(found)")

        let listener = try EchoListener()
        let connect = """
            import socket, sys
            s = socket.socket(); s.settimeout(10)
            try: s.connect(("240.240.0.1", 80))
            except OSError as e: sys.exit(e.errno)
            """
        try node.apply(.small(generation: 1, endpointPort: listener.port, rule: 9, client: client))
        #expect(try mesh.python(in: "w1", connect) == 0)
        try node.apply(.small(generation: 2, endpointPort: listener.port, rule: 9, denied: true, client: client))
        #expect(try mesh.python(in: "w1", connect) == EPERM)
        #expect(try node.repair().isEmpty, "they are lived with")
        for link in [first.descriptor.raw, outer.descriptor.raw, last.descriptor.raw, inner.descriptor.raw] {
            #expect(link >= 0)
        }
    }

    @Test("a cgroup outside of the mesh that was removed and made anew under its name is captured anew at once")
    func recreated() throws {
        let mesh = try TestMesh("anew")
        let outside = try TestMesh("anew2")
        try #require(mkdir(outside.settings.cgroup, 0o755) == 0)
        let node = try KernelNode(mesh.settings)
        let first = try node.attach(cgroup: outside.settings.cgroup)
        let hooks = try links(mesh, cgroup: first).count
        try #require(rmdir(outside.settings.cgroup) == 0 && mkdir(outside.settings.cgroup, 0o755) == 0)
        let second = try node.attach(cgroup: outside.settings.cgroup)
        #expect(second != first)
        #expect(try links(mesh, cgroup: second).count == hooks && hooks > 0)
        #expect(node.capturedCgroups == [second])
        #expect(try links(mesh, cgroup: first).isEmpty)
        #expect(try node.repair().isEmpty)
    }

    /// A program that lets every connect pass.
    private func stranger() throws -> BPFProgram {
        let code = try #require(ObjectCode.testObjects.first { $0.name == "kit" })
        return try OpenObject(name: code.name, code: code.bytes).load().program("kit_connect4_open")
    }

    private func links(_ mesh: TestMesh, cgroup: UInt64? = nil) throws -> [String: UInt32] {
        try KernelReader(pins: mesh.settings.pins).links().filter { cgroup == nil || $0.cgroup == cgroup }
            .reduce(into: [:]) { $0[$1.name] = $1.id }
    }
}

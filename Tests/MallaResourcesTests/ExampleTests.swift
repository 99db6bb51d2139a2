// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaModel
import MallaPolicy
import MallaResources
import Testing

@Suite("Examples and documentation are valid")
struct ExampleTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func files(_ directory: String) throws -> [ResourceFile] {
        let folder = root.appending(path: directory)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().filter {
            $0.hasSuffix(".yaml")
        }
        .map { ResourceFile(name: $0, bytes: Array(try Data(contentsOf: folder.appending(path: $0)))) }
    }

    @Test("examples", arguments: ["one-host", "lock-down", "through-the-proxy", "balanced", "two-nodes"])
    func example(name: String) throws {
        let files = try Self.files("deploy/examples/\(name)")
        #expect(!files.isEmpty)
        let loaded = try ResourceReader().read(files).get()
        var book = NumberBook()
        let placements = Dictionary(
            uniqueKeysWithValues: loaded.mesh.workloads.keys.map {
                ($0, Placement(cgroup: 1, cgroupPath: "/", populated: true))
            })
        let compiled = SnapshotCompiler(mesh: loaded.mesh, placements: placements).compile(generation: 1, book: &book)
        #expect(compiled.problems == [])
        #expect(compiled.endpoints.allSatisfy { $0.obstacle == nil })
        #expect(compiled.snapshot.services.allSatisfy { $0.ports.allSatisfy { !$0.endpoints4.isEmpty } })
    }

    @Test("every example in the reference is valid by itself")
    func reference() throws {
        let text = try String(contentsOf: Self.root.appending(path: "docs/reference/resources.md"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
        #expect(blocks.count == ResourceKind.allCases.count)
        for block in blocks {
            let loaded = try ResourceReader().read([ResourceFile(name: "resources.md", bytes: Array(block.utf8))]).get()
            #expect(!loaded.origins.isEmpty)
        }
    }

    @Test("the demo's mesh")
    func demo() throws {
        let mesh = try ResourceReader().read(Self.files("deploy/demo/mesh.d")).get().mesh
        #expect(!mesh.services.isEmpty)
        _ = try ResourceReader().read(Self.files("deploy/demo/mesh.d") + Self.files("deploy/demo/later")).get()
    }
}

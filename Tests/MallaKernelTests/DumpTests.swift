// SPDX-License-Identifier: Apache-2.0
import MallaKernel
import MallaModel
import Testing

@Suite("Maps as text", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct DumpTests {
    @Test("every map of a node can be listed, or says where its content is seen instead")
    func everyMap() throws {
        let mesh = try TestMesh("dump")
        try withNode(mesh) { node in
            try node.apply(.small(generation: 4, endpointPort: 7000, rule: 9))
            let names = try node.reader.mapSummaries().map(\.name)
            #expect(names.contains("malla_policies"))
            for name in names {
                switch name {
                case "malla_events", "malla_connections", "malla_listeners", "malla_live":
                    #expect { _ = try node.reader.entries(of: name) } throws: {
                        ($0 as? KernelError)?.hint?.contains("malla ") == true
                    }
                default:
                    let entries = try node.reader.entries(of: name)
                    #expect(!entries.contains { $0.key["bytes"] != nil }, "\(name) is not decoded")
                }
            }
        }
    }

    @Test("fields are named, numbers become names where there are any")
    func fields() throws {
        let mesh = try TestMesh("fields")
        try withNode(mesh) { node in
            try node.apply(.small(generation: 4, endpointPort: 7000, rule: 9))
            #expect(try node.reader.entries(of: "malla_generation").map(\.value["generation"]) == ["4", "4"])
            let names = NumberNames { _ in
                "who"
            } workload: { _ in
                "work"
            } service: { _ in
                "serve"
            } rule: {
                $0 == 9 ? "nine" : nil
            }
            let services = try node.reader.entries(of: "malla_services", names: names)
            #expect(!services.isEmpty && services.allSatisfy { $0.key["port"] != nil })
            #expect(services.contains { $0.value["service"] == "serve" && $0.key["protocol"] == "tcp" })
            let policies = try node.reader.entries(of: "malla_policies", names: names)
            #expect(policies.allSatisfy { $0.key["generation"] == "4" })
            #expect(policies.contains { $0.value.values.contains("nine") }, "\(policies)")
            let bare = try node.reader.entries(of: "malla_policies")
            #expect(bare.contains { $0.value.values.contains("9") }, "\(bare)")
        }
    }

    @Test("a map that does not exist is refused")
    func unknown() throws {
        let mesh = try TestMesh("unknown")
        try withNode(mesh) { node in
            #expect { _ = try node.reader.entries(of: "../maps/malla_policies") } throws: {
                ($0 as? KernelError)?.code == .notFound
            }
        }
    }

    private func withNode(_ mesh: TestMesh, _ body: (KernelNode) throws -> Void) throws {
        try body(KernelNode(mesh.settings))
    }
}

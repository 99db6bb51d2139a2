// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaModel
import Testing

@testable import MallaSources

@Suite("Network namespaces are found by the node's end of their interfaces", .serialized)
struct NamespaceSearchTests {
    /// A namespace with one pair of interfaces into this one, gone with the value.
    private final class Namespace {
        let name = "malla-search-\(UInt32.random(in: 0x1000...0xffff))"
        var interface: String { "ms-\(name.suffix(5))" }

        init(bridge: String? = nil) throws {
            try Self.ip(["netns", "add", name])
            try Self.ip(["link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", name])
            if let bridge { try Self.ip(["link", "set", interface, "master", bridge]) }
        }

        deinit { try? Self.ip(["netns", "del", name]) }

        static func ip(_ arguments: [String]) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["ip"] + arguments
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "ip \(arguments.joined(separator: " "))")
        }
    }

    private func workload(_ match: Workload.Match) -> Workload { Workload(name: ObjectName("pod"), match: match) }

    private func find(_ match: Workload.Match) throws -> Placement? {
        let search = try #require(try NamespaceSearch(for: [workload(match)], in: CgroupTree(root: nil)))
        return try search.placement(of: workload(match))
    }

    @Test("by name and by path, with name and address of the interface")
    func byName() throws {
        let namespace = try Namespace()
        let found = try #require(try find(.networkNamespace(namespace.name)))
        let interface = try #require(found.interfaces.first)
        #expect(found.interfaces.count == 1 && found.cgroup == 0 && found.populated)
        #expect(interface.name == namespace.interface && interface.bridge == 0)
        let mac = try String(contentsOfFile: "/sys/class/net/\(namespace.interface)/address", encoding: .utf8)
        let digits = mac.trimmingCharacters(in: .whitespacesAndNewlines).replacing(":", with: "")
        #expect(interface.mac == UInt64(digits, radix: 16))
        #expect(try find(.networkNamespace("/run/netns/\(namespace.name)")) == found)
    }

    @Test("with the bridge that the interface is a port of")
    func onBridge() throws {
        let bridge = "msb-\(UInt32.random(in: 0x1000...0xffff))"
        try Namespace.ip(["link", "add", bridge, "type", "bridge"])
        defer { try? Namespace.ip(["link", "del", bridge]) }
        let namespace = try Namespace(bridge: bridge)
        let found = try #require(try find(.networkNamespace(namespace.name)))
        let index = try String(contentsOfFile: "/sys/class/net/\(bridge)/ifindex", encoding: .utf8)
        #expect(found.interfaces.first?.bridge == UInt32(index.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    @Test("what is not there, or has no interface, is not here")
    func absent() throws {
        #expect(try find(.networkNamespace("malla-no-such")) == nil)
        #expect(try find(.networkNamespace("/proc/self/ns/net")) == nil, "the own namespace")
        #expect(try find(.networkNamespace("/etc/hostname")) == nil, "no namespace at all")
        #expect(try find(.container("0123456789abcdef")) == nil)
        #expect(try NamespaceSearch(for: [workload(.run)], in: CgroupTree(root: nil)) == nil)
    }

    @Test("a change of interfaces is told")
    func watched() async throws {
        let watch = try LinkWatch()
        defer { watch.stop() }
        let namespace = try Namespace()
        var changes = watch.changes.makeAsyncIterator()
        #expect(await changes.next() != nil)
        _ = namespace
    }
}

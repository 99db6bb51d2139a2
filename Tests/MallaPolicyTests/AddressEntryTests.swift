// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Destinations without a service")
struct AddressEntryTests {
    /// Workload and address, then what each address entry is expected to lead to ("?": denied).
    static let table: [(String, [(String, [String])], [String], [String: String])] = [
        ("loopback stands for every spelling", [("a", ["127.0.0.1"])], [], ["127.0.0.1:7000": "a", "[::]:7000": "a"]),
        ("the unspecified address too", [("a", ["::"])], [], ["[::]:7000": "a"]),
        ("and its IPv4 form", [("a", ["0.0.0.0"])], [], ["0.0.0.0:7000": "a", "[::]:7000": "a"]),
        (
            "an address of its own, with every port", [("a", ["10.0.0.1"])], [],
            ["10.0.0.1:0": "a"]
        ),
        (
            "an address that two have", [("a", ["10.0.0.1"]), ("b", ["10.0.0.1"])], [], ["10.0.0.1:7000": "?"]
        ),
        (
            "two loopback addresses", [("a", ["127.0.0.1"]), ("b", ["127.0.0.2"])], [],
            ["127.0.0.1:7000": "a", "127.0.0.2:7000": "b", "[::]:7000": "?"]
        ),
        (
            "one workload at two loopback addresses", [("a", ["127.0.0.1", "::1"])], [],
            ["127.0.0.1:7000": "a", "[::1]:7000": "a", "[::]:7000": "a"]
        ),
        (
            "the node's own address stands for the node", [("a", ["10.0.0.9"])], ["10.0.0.9"],
            ["10.0.0.9:7000": "a", "[::]:7000": "a"]
        ),
        (
            "but loopback goes before it", [("a", ["10.0.0.9"]), ("b", ["127.0.0.1"])], ["10.0.0.9"],
            ["10.0.0.9:7000": "a", "127.0.0.1:7000": "b", "[::]:7000": "b"]
        ),
    ]

    @Test("who is at an address", arguments: table)
    func entries(name: String, workloads: [(String, [String])], local: [String], expected: [String: String]) {
        let mesh = Mesh(workloads: workloads.map { SnapshotCompilerTests.workload($0, addresses: $1) })
        let placements = Dictionary(
            uniqueKeysWithValues: workloads.map {
                (ObjectName($0.0), Placement(cgroup: 1, cgroupPath: "/x", populated: true))
            })
        let snapshot = SnapshotCompilerTests.compile(mesh, placements, local: local).snapshot
        var found: [String: String] = [:]
        for entry in snapshot.addressEntries {
            let endpoint = snapshot.endpoints.first { $0.number == entry.endpoint }
            let workload = snapshot.workloads.first { $0.number == endpoint?.workload }
            found[entry.address.description] = workload?.name.name ?? "?"
        }
        #expect(found == expected, "\(name)")
        #expect(snapshot.addressEntries.map(\.address) == snapshot.addressEntries.map(\.address).sorted())
    }

    @Test("a port that only a service knows of is an endpoint too")
    func targetPort() {
        let mesh = Mesh(services: [SnapshotCompilerTests.backend], workloads: [SnapshotCompilerTests.workload("a")])
        let snapshot = SnapshotCompilerTests.compile(mesh, SnapshotCompilerTests.placed("a")).snapshot
        #expect(snapshot.addressEntries.contains { $0.address == SocketAddress(.loopback4, 5353) })
    }

    /// How an address comes to be known as ports are added and another workload claims it, too.
    @Test("up to two ports stand with the address that is a workload's alone; more, and contested ones, by themselves")
    func alone() throws {
        func entries(_ ports: [String: [UInt16]]) -> [String: String] {
            let workloads = ports.map { name, ports in
                Workload(
                    name: ObjectName(name), match: .run, ports: ports.map { .init(port: $0) },
                    addresses: [Address(ipv4: 0x0a00_0001)])
            }
            let placements = Dictionary(
                uniqueKeysWithValues: workloads.map {
                    ($0.name, Placement(cgroup: 1, cgroupPath: "/x", populated: true))
                })
            let snapshot = SnapshotCompilerTests.compile(Mesh(workloads: workloads), placements).snapshot
            return Dictionary(
                uniqueKeysWithValues: snapshot.addressEntries.map { entry in
                    let ports = entry.ports.map { "\($0.first) \($0.second)" } ?? "-"
                    return ("\(entry.address.port)", entry.endpoint == nil ? "?" : ports)
                })
        }
        #expect(entries(["a": []]) == ["0": "0 0"])
        #expect(entries(["a": [80]]) == ["0": "80 0"])
        #expect(entries(["a": [81, 80]]) == ["0": "80 81"])
        #expect(entries(["a": [80, 81, 82]]) == ["0": "-", "80": "-", "81": "-", "82": "-"])
        #expect(entries(["a": [80], "b": [80, 81]]) == ["80": "?", "81": "-"])
    }
}

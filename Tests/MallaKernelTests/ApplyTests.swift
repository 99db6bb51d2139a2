// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaKernel
import MallaModel
import Testing

@Suite("Snapshots", .removesMeshes, .timeLimit(.minutes(15)))
struct ApplyTests {
    private let service = SocketAddress(Address(ipv4: 0xf0f0_0001), 80)

    @Test("before the first snapshot everything is refused; after it, the snapshot decides")
    func explain() throws {
        let mesh = try TestMesh("explain")
        let node = try KernelNode(mesh.settings)
        let client = try mesh.makeCgroup("w1")
        #expect(
            try node.reader.explain(Question(cgroup: client, destination: service)).reason.name == "unknown_workload")
        try node.enrol(cgroup: client, workload: 7, identity: 17)
        #expect(try node.reader.explain(Question(cgroup: client, destination: service)).reason.name == "not_ready")

        #expect(try node.apply(.small(generation: 5, endpointPort: 7000, rule: 9, client: client)) == 5)
        let direct = try node.reader.explain(Question(cgroup: client, destination: service))
        #expect(direct.path == .direct)
        #expect(direct.reason == .passed)
        #expect((direct.source, direct.sourceWorkload, direct.service, direct.rule) == (17, 7, 3, 9))
        #expect(direct.generation == 5)
        #expect(direct.endpoint?.address == SocketAddress(Address(ipv4: 0x7f00_0001), 7000))

        let otherPort = SocketAddress(service.address, 81)
        #expect(try node.reader.explain(Question(cgroup: client, destination: otherPort)).reason.name == "no_such_port")
        let outside = SocketAddress(Address(ipv4: 0x0808_0808), 80)
        #expect(try node.reader.explain(Question(cgroup: client, destination: outside)).path == .pass)

        try node.apply(.small(generation: 6, endpointPort: 7000, rule: 11, denied: true, client: client))
        let denied = try node.reader.explain(Question(cgroup: client, destination: service))
        #expect(denied.path == .deny)
        #expect(denied.reason == .policyDenied)
        #expect(denied.rule == 11)
        #expect(denied.errno == EPERM)

        // A workload that is no longer in the snapshot is refused.
        try node.apply(.small(generation: 7, endpointPort: 7000, rule: 9))
        #expect(
            try node.reader.explain(Question(cgroup: client, destination: service)).reason.name == "unknown_workload")
    }

    @Test("old generations leave nothing behind, and a number that is used up is not used again")
    func generations() throws {
        let mesh = try TestMesh("generations")
        let node = try KernelNode(mesh.settings)
        #expect(try node.apply(.small(generation: 10, endpointPort: 1, rule: 1)) == 10)
        let one = try entries(node)
        #expect(try node.apply(.small(generation: 3, endpointPort: 2, rule: 2)) == 11)
        #expect(try node.generation() == 11)
        #expect(try entries(node) == one)
        let policies = try node.reader.entries(of: "malla_policies")
        #expect(policies.count == 1)
        #expect(policies.first?.key["generation"] == "11")
        #expect(policies.first?.value["allow_rule"] == "2")
    }

    @Test("a snapshot that contradicts itself or does not fit is refused whole")
    func refused() throws {
        let mesh = try TestMesh("refused")
        let node = try KernelNode(mesh.settings)
        try node.apply(.large(generation: 1, endpoints: 200_000))
        let before = try entries(node)

        #expect { try node.apply(.large(generation: 2, endpoints: 200_000, first: 200_001)) } throws: {
            ($0 as? KernelError)?.code == .capacity && "\($0)".contains("malla_endpoints")
        }
        var twice = Snapshot.small(generation: 2, endpointPort: 1, rule: 1)
        twice.services += twice.services
        #expect { try node.apply(twice) } throws: { ($0 as? KernelError)?.code == .snapshot }
        var dangling = Snapshot.small(generation: 2, endpointPort: 1, rule: 1)
        dangling.endpoints = []
        #expect { try node.apply(dangling) } throws: { ($0 as? KernelError)?.code == .snapshot }

        #expect(try node.generation() == 1)
        #expect(try entries(node) == before)
        // What is left fits.
        #expect(try node.apply(.large(generation: 2, endpoints: 60_000)) == 2)
        #expect(try entries(node)["malla_endpoints"] == 60_000)
        #expect(try entries(node)["malla_slots"] == 60_000 / 8)
    }

    @Test("killed while it applies: what is in force is whole, and the next apply leads to the same maps")
    func killed() async throws {
        let mesh = try TestMesh("killed")
        var halves = 0
        // Where the signal meets the writer is chance; it is tried at several moments until one was in the middle.
        for milliseconds in stride(from: 10, through: 600, by: 17) where halves < 1 {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [
                    moment = milliseconds as Int, cgroup = mesh.settings.cgroup as String,
                    pins = mesh.settings.pins as String
                ] in
                let node = try KernelNode(KernelSettings(cgroup: cgroup, pins: pins, proxyPort: 0, dnsPort: 0))
                try node.apply(.small(generation: node.generation() + 1, endpointPort: 7000, rule: 9))
                var timer = itimerval()
                timer.it_value.tv_usec = moment * 1000
                signal(SIGALRM) { _ in kill(getpid(), SIGKILL) }
                setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
                var first = 1
                while true {
                    try node.apply(.large(generation: node.generation() + 1, endpoints: 3000, first: first))
                    first = 3001 - first + 1
                }
            }
            let node = try KernelNode(mesh.settings)
            #expect(node.startReport.adopted)
            let content = try MapContent(node.reader)
            #expect(content.missing.isEmpty)
            if content.isLeftOver { halves += 1 }
            try node.apply(.small(generation: node.generation() + 1, endpointPort: 7000, rule: 9))
            let after = try MapContent(node.reader)
            #expect(after.missing.isEmpty && !after.isLeftOver)
            #expect(
                try entries(node) == [
                    "malla_services": 3, "malla_slots": 1, "malla_endpoints": 2, "malla_policies": 1,
                ])
        }
        #expect(halves > 0, "no signal met the writer half-way")
    }

    private func entries(_ node: KernelNode) throws -> [String: Int] {
        let maps = ["malla_services", "malla_slots", "malla_endpoints", "malla_policies"]
        return try node.reader.mapSummaries().reduce(into: [:]) {
            if maps.contains($1.name) { $0[$1.name] = $1.entries }
        }
    }
}

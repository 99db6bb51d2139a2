// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaKernel
import MallaModel
import MallaPolicy

/// What configuration costs by size: 1,000 services of 100 endpoints and 10,000 policies, and a tenth of it.
///
/// usage: bench-scale [SECONDS-OF-CHURN (10)] [SERVICES (1000)]; needs root.
@main
struct Scale {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        let seconds = arguments.first ?? 10
        let services = max(10, arguments.dropFirst().first ?? 1000)
        let small = try change(services: services / 10)
        try large(services: services, seconds: seconds, small: small)
    }

    /// The CPU time of one change of an endpoint in a mesh of a tenth of the size, in seconds.
    private static func change(services: Int) throws -> Double {
        let node = try ScaleNode(services: services)
        say("# \(services) services of \(ScaleMesh.replicas) endpoints, \(services * ScaleMesh.policies) policies")
        return try changes(node)
    }

    private static func large(services: Int, seconds: Int, small: Double) throws {
        let node = try ScaleNode(services: services)
        say("# \(services) services of \(ScaleMesh.replicas) endpoints, \(services * ScaleMesh.policies) policies")
        say(
            "time to enforcing: \(Figures.text(node.timeToEnforcing, 3)) s, CPU "
                + "\(Figures.text(node.cpuToEnforcing, 3)) s (from resources as values)")
        let kernel = try node.kernelMemory()
        say(
            "memory: kernel maps \(Figures.text(kernel, 1)) MB, process \(Figures.text(Figures.memory("VmRSS") ?? 0, 1))"
                + " MB (peak \(Figures.text(Figures.memory("VmHWM") ?? 0, 1)) MB, both meshes and the benchmark in it)")
        let large = try changes(node)
        say("one change: \(Figures.text(large / small))× the CPU of a tenth of the size")
        try churn(node, seconds: seconds)
        try switches(node, count: 1000)
    }

    /// One replica after the other leaves and comes back; the median of their CPU time, in seconds.
    private static func changes(_ node: ScaleNode) throws -> Double {
        var walls: [Double] = []
        var cpus: [Double] = []
        for round in 0..<300 {
            let service = round / 2 * 7 % node.mesh.services
            let change = node.mesh.change(service, round / 2 % ScaleMesh.replicas, isHere: round % 2 == 1)
            let (wall, cpu) = (Figures.wall(), Figures.processor())
            try node.carryOut([change])
            walls.append(Figures.wall() - wall)
            cpus.append(Figures.processor() - cpu)
        }
        say(
            "one change of an endpoint: \(Figures.text(Figures.quantile(walls, 0.5) * 1e3)) ms (p99 "
                + "\(Figures.text(Figures.quantile(walls, 0.99) * 1e3)) ms), CPU "
                + "\(Figures.text(Figures.quantile(cpus, 0.5) * 1e6, 0)) µs")
        return Figures.quantile(cpus, 0.5)
    }

    /// A thousand changes a second, twenty at a time.
    private static func churn(_ node: ScaleNode, seconds: Int) throws {
        let (addresses, owners, reader) = (node.addresses(), node.owners(), node.kernel.reader)
        let probe = try Probe {
            let service = Int.random(in: addresses.indices)
            let question = Question(
                cgroup: ScaleMesh.clientCgroup, destination: SocketAddress(addresses[service], 80))
            let answer = try reader.explain(question)
            guard answer.path == .direct, let endpoint = answer.endpoint, owners[endpoint.workload] == service else {
                return (answer, "service \(service): \(answer)")
            }
            return (answer, nil)
        }
        let (start, cpu) = (Figures.wall(), Figures.processor())
        var done = 0
        var late = 0.0
        while Figures.wall() - start < Double(seconds) {
            var batch: [WorkloadChange] = []
            for _ in 0..<20 {
                // Each replica leaves and comes back the next time round.
                let place = done % (node.mesh.services * 50)
                batch.append(
                    node.mesh.change(
                        place % node.mesh.services, place / node.mesh.services,
                        isHere: done / (node.mesh.services * 50) % 2 == 1))
                done += 1
            }
            try node.carryOut(batch)
            let ahead = Double(done) / 1000 - (Figures.wall() - start)
            if ahead > 0 { usleep(UInt32(ahead * 1e6)) } else { late = max(late, -ahead) }
        }
        let took = Figures.wall() - start
        say(
            "churn: \(done) changes in \(Figures.text(took)) s, \(Figures.text(Double(done) / took, 0)) a second, "
                + "\(Figures.text((Figures.processor() - cpu) / took * 100, 1)) % of a core, at most "
                + "\(Figures.text(late * 1e3, 1)) ms behind; \(probe.end())")
    }

    /// Sets of policies that swap who is allowed: one allows everybody by rule 1; in the other rule 2 would allow the
    /// client and rule 3 denies everybody. Rule 2 decides only if half of each is seen.
    private static func switches(_ node: ScaleNode, count: Int) throws {
        let frame = node.index.compiled(generation: 1).snapshot
        guard let client = frame.workloads.first(where: { $0.name == ScaleMesh.client.name })?.identity,
            let address = node.addresses().first
        else { throw Failure(text: "no client") }
        func table(_ swapped: Bool) -> PolicyTable {
            var table = frame.policies
            for scope in Set(table.entries.keys.map(\.scope)) {
                table.entries[.init(scope: scope, source: client, port: 0)] = .init(allowRule: swapped ? 2 : 0)
                table.entries[.init(scope: scope, source: PolicyTable.anySource, port: 0)] = .init(
                    denyRule: swapped ? 3 : 0, allowRule: swapped ? 0 : 1, defaultReason: .policyNotAllowed)
            }
            return table
        }
        let tables = [table(false), table(true)]
        try node.apply(policies: tables[0])
        let reader = node.kernel.reader
        let probe = try Probe {
            let question = Question(cgroup: ScaleMesh.clientCgroup, destination: SocketAddress(address, 80))
            let answer = try reader.explain(question)
            let isWhole = answer.path == .direct ? answer.rule == 1 : answer.rule == 3
            return (answer, isWhole ? nil : "\(answer)")
        }
        let start = Figures.wall()
        for round in 1...count { try node.apply(policies: tables[round % 2]) }
        let took = Figures.wall() - start
        say(
            "policies: \(count) switches of \(tables[0].entries.count) entries in \(Figures.text(took)) s, "
                + "\(Figures.text(took / Double(count) * 1e3)) ms each; \(probe.end())")
    }

    /// A line that is seen at once, wherever it goes.
    private static func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}

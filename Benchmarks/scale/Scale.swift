// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import MallaKernel
import MallaModel
import MallaPolicy

/// What configuration costs by size: 1,000 services of 100 endpoints and 10,000 policies, and a tenth of it.
///
/// usage: bench-scale [SECONDS-OF-CHURN (60)] [SERVICES (1000)]; needs root.
@main
struct Scale {
    static func main() throws {
        linux_map_large_blocks()  // as mallad does
        let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        let seconds = arguments.first ?? 60
        let services = max(10, arguments.dropFirst().first ?? 1000)
        defer { for size in [services, services / 10] { ScaleNode.remove(services: size) } }
        // First, so that nothing else is in the process when its memory is looked at.
        let large = try large(services: services, seconds: seconds)
        let small = try changes(try node(services: services / 10))
        say(
            "one change at full size / at a tenth: CPU to the answer \(Figures.text(large.answer / small.answer)), "
                + "with what comes after it \(Figures.text(large.whole / small.whole))")
    }

    private static func node(services: Int) throws -> ScaleNode {
        say("# \(services) services of \(ScaleMesh.replicas) endpoints, \(services * ScaleMesh.policies) policies")
        return try ScaleNode(services: services)
    }

    private static func large(services: Int, seconds: Int) throws -> Cost {
        let node = try node(services: services)
        say(
            "time to enforcing: \(Figures.text(node.timeToEnforcing, 3)) s, CPU \(Figures.text(node.cpuToEnforcing, 3)) s "
                + "(from resources as values; \(Figures.text(node.cpuOfIndex, 3)) s of it compiling)")
        linux_trim_memory()
        let kernel = try node.kernelMemory()
        let process = Figures.memory("VmRSS") ?? 0
        say(
            "memory: \(Figures.text(kernel + process, 1)) MB: kernel maps \(Figures.text(kernel, 1)) MB, process "
                + "\(Figures.text(process, 1)) MB with the resources (\(Figures.text(node.memoryBefore, 1)) MB before it "
                + "compiled, peak \(Figures.text(Figures.memory("VmHWM") ?? 0, 1)) MB)")
        for (map, memory) in try node.largestMaps(6) { say("  \(map): \(Figures.text(memory, 1)) MB") }
        let cost = try changes(node)
        try churn(node, seconds: seconds)
        try switches(node, count: 20)
        return cost
    }

    /// CPU times of one change, in seconds.
    private struct Cost {
        /// To the answer: from then on it decides.
        var answer: Double
        /// With the deletion of what was before, a grace period later.
        var whole: Double
    }

    /// One replica after the other leaves and comes back; the median of their times.
    private static func changes(_ node: ScaleNode) throws -> Cost {
        var walls: [Double] = []
        var answers: [Double] = []
        var wholes: [Double] = []
        var compiles: [Double] = []
        for round in 0..<300 {
            let service = round / 2 * 7 % node.mesh.services
            let change = node.mesh.change(service, round / 2 % ScaleMesh.replicas, isHere: round % 2 == 1)
            let (wall, cpu) = (Figures.wall(), Figures.processor())
            try node.carryOut([change]) { compiles.append(Figures.processor() - cpu) }
            walls.append(Figures.wall() - wall)
            answers.append(Figures.processor() - cpu)
            try node.kernel.settle()
            wholes.append(Figures.processor() - cpu)
        }
        let cost = Cost(answer: Figures.quantile(answers, 0.5), whole: Figures.quantile(wholes, 0.5))
        say(
            "one change of an endpoint: enforcing after \(Figures.text(Figures.quantile(walls, 0.5) * 1e3)) ms (p99 "
                + "\(Figures.text(Figures.quantile(walls, 0.99) * 1e3)) ms), CPU \(Figures.text(cost.answer * 1e6, 0)) µs ("
                + "\(Figures.text(Figures.quantile(compiles, 0.5) * 1e6, 0)) µs of it compiling), "
                + "\(Figures.text(cost.whole * 1e6, 0)) µs with what comes after it")
        return cost
    }

    /// A thousand changes a second: whatever has come meanwhile is carried out together.
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
        let settler = try Settler(node.kernel)
        let (start, cpu) = (Figures.wall(), Figures.processor())
        var done = 0
        var latencies: [Double] = []
        var largest = 0
        while done < seconds * 1000 {
            let due = min(seconds * 1000, Int((Figures.wall() - start) * 1000) + 1)
            guard due > done else {
                usleep(200)
                continue
            }
            let batch = (done..<due).map { number in
                // Each replica leaves and comes back the next time round.
                let place = number % (node.mesh.services * 50)
                return node.mesh.change(
                    place % node.mesh.services, place / node.mesh.services,
                    isHere: number / (node.mesh.services * 50) % 2 == 1)
            }
            try node.carryOut(batch)
            let now = Figures.wall() - start
            latencies += (done..<due).map { now - Double($0) / 1000 }
            largest = max(largest, batch.count)
            done = due
        }
        let took = Figures.wall() - start
        let own = Figures.processor() - cpu
        let after = try settler.end()
        say(
            "churn: \(done) changes in \(Figures.text(took)) s, \(Figures.text(Double(done) / took, 0)) a second; "
                + "enforcing after \(Figures.text(Figures.quantile(latencies, 0.5) * 1e3)) ms, p99 "
                + "\(Figures.text(Figures.quantile(latencies, 0.99) * 1e3)) ms, at most "
                + "\(Figures.text((latencies.max() ?? 0) * 1e3)) ms; up to \(largest) together; "
                + "\(Figures.text((own + after) / took * 100, 1)) % of a core; \(probe.end())")
    }

    /// Sets of policies that swap who is allowed: one allows everybody by rule 1; in the other rule 2 would allow the
    /// client and rule 3 denies everybody. Rule 2 decides only if half of each is seen.
    private static func switches(_ node: ScaleNode, count: Int) throws {
        let frame = node.index.snapshot(generation: 1)
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

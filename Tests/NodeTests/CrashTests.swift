// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import MallaKernel
import Testing

/// Every step of a change may be the daemon's last. Among all other tests a few steps are; `make crash` takes every
/// one.
///
/// A change is made to and fro, so that each way begins where the other has ended. `strace` counts calls by their kind
/// and by thread, so each kind that changes what outlives the daemon has deaths of its own: the daemon does not live to
/// make its N-th such call. What it did between two of them died with it.
@Suite("Killed in the middle of a change", .serialized, .timeLimit(.minutes(60)))
struct CrashTests {
    private static let isWhole = ProcessInfo.processInfo.environment["MALLA_CRASH_ALL"] == "1"
    private static let kinds =
        isWhole
        ? ["bpf", "write", "openat", "fsync,fdatasync", "rename,renameat,renameat2", "unlink,unlinkat"]
        : ["bpf", "rename,renameat,renameat2"]
    /// Every how many calls of a kind.
    private static let stride = isWhole ? 1 : 29

    /// The same services but one, another one in its place, and other verdicts.
    private static let changed =
        standardResources
        .replacingOccurrences(of: "{name: nobody}", with: "{name: somebody}")
        .replacingOccurrences(of: "{app: nobody}", with: "{app: open}")
        .replacingOccurrences(of: "serviceAccounts: [friend]", with: "serviceAccounts: [stranger]")

    /// How deaths have found the maps.
    private struct Deaths {
        var before = 0
        var half = 0
        var after = 0
        var count: Int { before + half + after }
    }

    @Test("after every N-th system call: a restart makes the maps what they would have been")
    func everyCall() throws {
        try withLab("crash", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            try lab.client("friend", account: "friend", ["hold", "4", lab.address(of: "direct", ipv6: false), "80"])
                .expect("holding")
            try lab.client(
                "stranger", account: "stranger", ["hold", "4", lab.address(of: "direct", ipv6: false), "80"]
            )
            .expect("holding")
            try eventually("all are enrolled, and both servers are endpoints") {
                let ready = try lab.view([EndpointView].self, ["endpoints"]).filter(\.ready)
                guard Set(ready.map(\.workload)).count == 2 else { return false }
                return try lab.view([WorkloadView].self, ["workloads"]).count == 4
            }
            let ends = try (from: MapsSaid(lab), to: change(lab, to: Self.changed, serviceThere: "somebody"))
            #expect(ends.from != ends.to, "the change is one")
            #expect(try change(lab, to: standardResources, serviceThere: "nobody") == ends.from, "and goes back whole")

            for kind in Self.kinds {
                let deaths = try every(kind, lab, ends)
                print(
                    "crash: \(kind): \(deaths.count) deaths: \(deaths.before) before, \(deaths.half) in the middle of, "
                        + "\(deaths.after) after the change")
                if kind == "bpf" { #expect(deaths.count >= 4, "no death met the change") }
            }
        }
    }

    /// Kills at the calls of a kind one after the other, each in both directions, until both changes were outlived.
    private func every(_ kind: String, _ lab: Lab, _ ends: (from: MapsSaid, to: MapsSaid)) throws -> Deaths {
        var deaths = Deaths()
        var point = 1
        var outlived = 0
        while outlived < 2 {
            outlived = 0
            for (from, to, resources) in [
                (ends.from, ends.to, Self.changed), (ends.to, ends.from, standardResources),
            ] {
                if try kill(lab, at: point, of: kind, while: { try lab.write(resources) }, until: to) {
                    let left = try MapsSaid(lab)
                    if left == from {
                        deaths.before += 1
                    } else if left == to {
                        deaths.after += 1
                    } else {
                        deaths.half += 1
                    }
                    lab.end(SIGKILL)
                    try lab.start()
                } else {
                    outlived += 1
                }
                try reach(to, lab, "after a death at \(kind) \(point)")
            }
            point += Self.stride
        }
        return deaths
    }

    /// Makes the daemon's `point`-th call of a kind its last, and begins a change; false when it outlived the change.
    private func kill(
        _ lab: Lab, at point: Int, of kind: String, while begin: () throws -> Void, until wanted: MapsSaid
    ) throws -> Bool {
        let daemon = try #require(lab.daemon)
        let tracer = try Child([
            "strace", "-f", "-q", "-o", "/dev/null", "-p", "\(daemon.pid)", "-e", "trace=\(kind)", "-e",
            "inject=\(kind):signal=SIGKILL:when=\(point)",
        ])
        defer {
            tracer.signal(SIGTERM)
            _ = tracer.wait(seconds: 10)
        }
        try eventually("every thread of the daemon is traced") {
            let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon.pid)/task")) ?? []
            return threads.allSatisfy {
                let status = try? String(contentsOfFile: "/proc/\(daemon.pid)/task/\($0)/status", encoding: .utf8)
                return status?.contains("TracerPid:\t0\n") != true
            } || !daemon.isRunning
        }
        try begin()
        let deadline = Date().addingTimeInterval(60)
        while Date() < deadline {
            if !daemon.isRunning { return true }
            // The maps are ready before what follows them: the last good resources on the disk.
            if try MapsSaid(lab) == wanted, try isKept(lab) { return !daemon.isRunning }
            usleep(10_000)
        }
        throw LabError("neither the change nor the end of the daemon came within 60 s; \(kind) \(point)")
    }

    /// Whether the resources on the disk are those that a start with bad ones would take.
    private func isKept(_ lab: Lab) throws -> Bool {
        let kept = try? Data(contentsOf: URL(fileURLWithPath: "\(lab.state)/resources.json"))
        let wanted = try Data(contentsOf: lab.config.appendingPathComponent("mesh.yaml"))
        // JSON may write a slash as `\/`.
        let text = kept.map { String(decoding: $0, as: UTF8.self).replacingOccurrences(of: "\\/", with: "/") }
        return text?.contains(wanted.base64EncodedString()) ?? false
    }

    /// Makes a change that nobody disturbs; what the maps say then.
    private func change(_ lab: Lab, to resources: String, serviceThere name: String) throws -> MapsSaid {
        try lab.write(resources)
        try eventually("the change is in force", seconds: 30) {
            try lab.view([ServiceView].self, ["services"]).contains { $0.name == name } && isKept(lab)
        }
        return try MapsSaid(lab)
    }

    private func reach(_ wanted: MapsSaid, _ lab: Lab, _ when: String) throws {
        let deadline = Date().addingTimeInterval(30)
        while try MapsSaid(lab) != wanted {
            guard Date() < deadline else {
                throw LabError("not the maps that were wanted \(when): \(try MapsSaid(lab).differences(from: wanted))")
            }
            usleep(10_000)
        }
    }
}

/// What the maps of a configuration say, whatever their generation: without the numbers that
/// every change gives anew.
struct MapsSaid: Equatable {
    private static let maps = [
        "workloads", "sources", "interfaces", "local", "services", "slots", "maglev", "endpoints", "policies", "blocks",
    ]
    private var lines: [String] = []

    init(_ lab: Lab) throws {
        let reader = try KernelReader(pins: lab.pins)
        let entries = try Self.maps.reduce(into: [:]) { $0[$1] = try reader.entries(of: "malla_\($1)") }
        let generation = try reader.entries(of: "malla_generation").first { $0.key["of"] == "policies" }
        var owners: [String: String] = [:]
        for service in entries["services"] ?? [] {
            if let table = service.value["table"] { owners[table] = Self.text(service.key) }
        }
        // An endpoint that comes gets a number that nobody had; what it is of tells it.
        var places: [String: String] = [:]
        for endpoint in entries["endpoints"] ?? [] {
            guard let number = endpoint.key["number"] else { continue }
            places[number] = "\(endpoint.value["workload"] ?? "") at \(endpoint.value["at"] ?? "")"
        }
        for (map, entries) in entries {
            for entry in entries {
                var (key, value) = (entry.key, entry.value)
                if let number = key["number"] { key["number"] = places[number] }
                for field in ["endpoint", "alias"] where value[field] != nil {
                    value[field] = value[field].flatMap { places[$0] } ?? "by address only"
                }
                if let table = key["table"] { key["table"] = owners[table] ?? "nobody's" }
                if value["table"] != nil { value["table"] = "its own" }
                if let of = key["generation"] {
                    key["generation"] = of == generation?.value["generation"] ? "in force" : "another"
                }
                lines.append("\(map): \(Self.text(key)) = \(Self.text(value))")
            }
        }
        lines.sort()
    }

    /// What only one of both says.
    func differences(from other: MapsSaid) -> String {
        let mine = lines.filter { !other.lines.contains($0) }.map { "+ \($0)" }
        return (mine + other.lines.filter { !lines.contains($0) }.map { "- \($0)" }).joined(separator: "\n")
    }

    private static func text(_ fields: [String: String]) -> String {
        fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
}

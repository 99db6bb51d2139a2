// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// Every step of a change may be the daemon's last. Among all other tests a few steps are; `make crash` takes every
/// one, on the way there and on the way back.
///
/// `lab-peer fell` counts the daemon's system calls from the moment on at which it opens the changed file, whatever the
/// thread, in the order in which they come: the daemon does not live to make the N-th. Among all other tests only those
/// count that change something outside of it: what it did between two of them died with it.
@Suite("Killed in the middle of a change", .serialized, .timeLimit(.minutes(120)))
struct CrashTests {
    private static let isWhole = ProcessInfo.processInfo.environment["MALLA_CRASH"] == "all"
    /// Every how many of the counted calls is one that kills.
    private static let stride = isWhole ? 1 : 4

    /// The same services but one, another one in its place, and other verdicts.
    private static let changed =
        standardResources
        .replacingOccurrences(of: "{name: nobody}", with: "{name: somebody}")
        .replacingOccurrences(of: "{app: nobody}", with: "{app: open}")
        .replacingOccurrences(of: "serviceAccounts: [friend]", with: "serviceAccounts: [stranger]")

    /// How deaths have found the maps.
    private struct Deaths: CustomStringConvertible {
        var before = 0
        var half = 0
        var after = 0
        /// The calls after which a restart did not make the maps what they should be.
        var failed: [Int] = []
        var count: Int { before + half + after }
        var description: String {
            "\(count) deaths: \(before) before, \(half) in the middle of, \(after) after the change; "
                + "\(count - failed.count) of \(count) converged" + (failed.isEmpty ? "" : ", not \(failed)")
        }
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

            let there = Way(from: ends.from, to: ends.to, resources: Self.changed, back: standardResources)
            let back = Way(from: ends.to, to: ends.from, resources: standardResources, back: Self.changed)
            for way in Self.isWhole ? [there, back] : [there] {
                let deaths = try every(lab, way)
                #expect(deaths.half >= 2, "no death met the change")
                #expect(deaths.before > 0 && deaths.after > 0, "not the whole of the change was met")
                #expect(deaths.failed.isEmpty)
                try lab.write(way.resources)
                try reach(way.to, lab, keeping: way.resources)
            }
        }
    }

    /// A change, and how it is undone.
    private struct Way {
        var from: MapsSaid, to: MapsSaid
        var resources: String, back: String
    }

    /// Kills at one call after the other, until the daemon outlives the change.
    private func every(_ lab: Lab, _ way: Way) throws -> Deaths {
        var deaths = Deaths()
        let start = Date()
        var point = 1
        while let last = try kill(lab, at: point, way) {
            let left = try MapsSaid(lab)
            if left == way.from {
                deaths.before += 1
            } else if left == way.to {
                deaths.after += 1
            } else {
                deaths.half += 1
            }
            lab.end(SIGKILL)
            try lab.start()
            do {
                try reach(way.to, lab, keeping: way.resources)
            } catch {
                deaths.failed.append(point)
                Issue.record("after a death at call \(point), \(last): \(error)")
            }
            // Nobody disturbs the way back.
            try lab.write(way.back)
            try reach(way.from, lab, keeping: way.back)
            say("call \(point) (\(last)), \(Int(Date().timeIntervalSince(start))) s: \(deaths)")
            point += Self.stride
        }
        say("outlived the change before call \(point). \(deaths)")
        return deaths
    }

    /// Has the daemon die instead of making its `point`-th call of the change.
    ///
    /// - Returns: what call that was; nil when the daemon outlived the change.
    private func kill(_ lab: Lab, at point: Int, _ way: Way) throws -> String? {
        struct Felled: Decodable { var counted: Int, felled: Bool, call: UInt64, first: UInt64 }
        let daemon = try #require(lab.daemon)
        let tracer = try Child(
            [
                try Lab.product("lab-peer"), "fell", "\(daemon.pid)", "\(point)", "/mesh.yaml",
                Self.isWhole ? "every" : "changing",
            ])
        try tracer.expect("ready")
        try lab.write(way.resources)
        let deadline = Date().addingTimeInterval(60)
        while daemon.isRunning {
            // The maps are ready before what follows them: the last good resources on the disk.
            if try MapsSaid(lab) == way.to, try isKept(lab, way.resources) { break }
            guard Date() < deadline else {
                throw LabError("neither the change nor the end of the daemon came within 60 s; call \(point)")
            }
            usleep(10_000)
        }
        tracer.signal(SIGTERM)
        let felled = try tracer.wait(seconds: 30).json(Felled.self)
        return felled.felled ? "system call \(felled.call), \(felled.first)" : nil
    }

    /// Whether the resources on the disk are those that a start with bad ones would take.
    private func isKept(_ lab: Lab, _ resources: String) throws -> Bool {
        let kept = try? Data(contentsOf: URL(fileURLWithPath: "\(lab.state)/resources.json"))
        // JSON may write a slash as `\/`.
        let text = kept.map { String(decoding: $0, as: UTF8.self).replacingOccurrences(of: "\\/", with: "/") }
        return text?.contains(Data(resources.utf8).base64EncodedString()) ?? false
    }

    /// Makes a change that nobody disturbs; what the maps say then.
    private func change(_ lab: Lab, to resources: String, serviceThere name: String) throws -> MapsSaid {
        try lab.write(resources)
        try eventually("the change is in force", seconds: 30) {
            try lab.view([ServiceView].self, ["services"]).contains { $0.name == name } && isKept(lab, resources)
        }
        return try MapsSaid(lab)
    }

    /// Waits until the maps say so, and the resources that say it are kept.
    private func reach(_ wanted: MapsSaid, _ lab: Lab, keeping resources: String) throws {
        let deadline = Date().addingTimeInterval(60)
        while true {
            let said = try MapsSaid(lab)
            if said == wanted, try isKept(lab, resources) { return }
            guard Date() < deadline else {
                throw LabError("not the maps that were wanted: \(said.differences(from: wanted))")
            }
            usleep(10_000)
        }
    }

    /// A line that is seen at once.
    private func say(_ line: String) {
        print("crash: \(line)")
        fflush(nil)
    }
}

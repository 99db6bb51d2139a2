// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("A workload lives from its first process to its last", .serialized)
struct EnrolmentTests {
    @Test("whoever moves in while the daemon looks whether anybody has lived there keeps the workload")
    func movesInMeanwhile() throws {
        try withLab("enrol", resources: standardResources) { lab in
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let cgroup = "\(lab.cgroup)/workloads/late.default"
            let peer = try Lab.product("lab-peer")
            func inside(_ command: [String]) throws -> Child {
                let move = "echo $$ > '\(cgroup)/cgroup.procs' && exec \"$@\""
                return try Child(lab.inside(["sh", "-c", move, "sh", peer] + command))
            }
            // The daemon has seen that nobody lives there, and is about to ask whether anybody ever has.
            let daemon = try #require(lab.daemon)
            let stall = try Child([peer, "stall", "\(daemon.pid)", "/late.default/cpu.stat"])
            try stall.expect("ready")
            // As `malla run` asks for it, before it moves in. The answer may come after the stall.
            let request = WorkloadRequest(
                name: "late", namespace: "default", serviceAccount: "friend", labels: [:], ports: [])
            let asking = try Child([
                "curl", "-sS", "--fail", "--max-time", "60", "--unix-socket", lab.admin, "-H",
                "Content-Type: application/json", "-d", String(decoding: JSONEncoder().encode(request), as: UTF8.self),
                "http://localhost\(AdminPath.workloads)",
            ])
            try stall.expect("stalled", seconds: 60)
            let first = try inside(["hold", "4", "127.0.0.1", "7001"])
            try first.expect("holding")
            stall.signal(SIGTERM)
            #expect(stall.wait().status == 0)
            let asked = asking.wait()
            #expect(asked.status == 0, "\(asked)")

            // Nobody is answered before that look and what follows from it are over.
            let known = try lab.view([WorkloadView].self, ["workloads"]).map(\.name)
            #expect(known.contains("late"), "\(known); \(lab.said(of: "late"))")
            let second = try inside(["call", "mapped", "127.7.7.7", "7001", "1", "1"]).wait().json(CallResult.self)
            #expect(second.errno == 0, "\(second); \(lab.said(of: "late"))")
            #expect(first.isRunning, "\(first.text)")
            first.signal(SIGTERM)
            let held = try first.wait().json(Held.self)
            #expect(held.errno == 0 && held.stage == "done", "\(held)")
            try eventually("it ends with its last process") {
                try !lab.view([WorkloadView].self, ["workloads"]).contains { $0.name == "late" }
            }
            #expect(!FileManager.default.fileExists(atPath: cgroup))
        }
    }
}

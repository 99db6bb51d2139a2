// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// What `lab-peer flood` says.
private struct FloodResult: Decodable {
    var errno: Int32
    var sent: Int
}

private let pressurePods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-caller", account: "friendly", app: "client", wiring: wiring, number: 10),
        Pod(name: "\(wiring)-open", account: "server", app: "open", wiring: wiring, number: 11),
        Pod(name: "\(wiring)-guarded", account: "guarded", app: "guarded", wiring: wiring, number: 12),
    ]
}

@Suite("A node forgets flows without a wrong verdict", .serialized)
struct NamespacePressureTests {
    /// Of the map's entries.
    private static let entries = 32768

    @Test("ten times as many flows as the map has room for: verdicts, bytes and open connections stay what they are")
    func evicted() throws {
        try withPods("pressure", pressurePods, resources: standardResources) { pods in
            for pod in pressurePods where pod.app != "client" {
                try pods.serve(pod)
                try pods.answer(pod)
            }
            let held = try Wiring.allCases.map { wiring in
                try pods.peer(
                    try pods.pod("\(wiring)-caller"),
                    ["hold", "4", try pods.pod("routed-open").address4, "\(Pod.port)"])
            }
            for child in held { try child.expect("holding") }
            let floods = try Wiring.allCases.map { wiring in
                // Each datagram takes an entry at either end.
                try pods.peer(
                    try pods.pod("\(wiring)-guarded"),
                    ["flood", "6", try pods.pod("\(wiring)-open").address6, "\(Self.entries * 5 / 2)"])
            }
            var rounds = 0
            while floods.contains(where: \.isRunning) || rounds < 5 {
                try judge(pods, "round \(rounds)")
                rounds += 1
            }
            for flood in floods {
                let result = try flood.wait().json(FloodResult.self)
                #expect(result.errno == 0 && result.sent == Self.entries * 5 / 2, "\(result)")
            }
            let flows = ["direction": "outbound", "source_identity": "spiffe://malla.local/ns/default/sa/guarded"]
            #expect(
                try pods.lab.sum("malla_connections_opened_total", flows) >= Double(Self.entries * 5),
                "each datagram was a flow of its own")
            try judge(pods, "afterwards")
            for child in held { #expect(child.isRunning, "an open connection lives through it: \(child.text)") }
            print("\(rounds) rounds of verdicts while \(Self.entries * 10) entries went through the map")
        }
    }

    private func judge(_ pods: NamespaceLab, _ when: String) throws {
        for from in Wiring.allCases {
            let caller = try pods.pod("\(from)-caller")
            for to in Wiring.allCases {
                let row = "\(when), \(from) to \(to)"
                let (open, guarded) = (try pods.pod("\(to)-open"), try pods.pod("\(to)-guarded"))
                let allowed = try pods.call(caller, .ipv4, open.address4, Pod.port, size: 1 << 20)
                #expect(allowed.errno == 0 && allowed.upIntact == true && allowed.downIntact == true, "\(row)")
                let refused = try pods.call(caller, .ipv4, guarded.address4, Pod.port, size: 1)
                #expect(refused.errno == ECONNREFUSED, "\(row): \(refused)")
                let answered = try pods.ask(caller, .ipv4, open.address4, Pod.port, connected: true)
                #expect(answered.errno == 0 && answered.whole == true, "\(row): \(answered)")
                let silent = try pods.ask(caller, .ipv4, guarded.address4, Pod.port, connected: true, count: 1)
                #expect(silent.errno == ECONNREFUSED, "\(row): \(silent)")
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("A node can be seen", .serialized)
struct MetricsTests {
    @Test("promtool accepts /metrics; health answers; a live connection's bytes are counted at once")
    func metrics() throws {
        try withLab("metrics", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let address = try lab.address(of: "direct", ipv6: false)
            let holder = try lab.client("holder", account: "caller", ["hold", "4", address, "80"])
            try holder.expect("holding")
            let labels = ["source_workload": "holder.default", "direction": "outbound"]
            try eventually("a connection that is still open is in the counters") {
                try lab.sum("malla_sent_bytes_total", labels) > 50
            }
            let connections = try lab.view([ConnectionView].self, ["connections"])
            #expect(
                connections.contains {
                    $0.source == "holder.default" && $0.direction == "outbound" && $0.path == "direct"
                })
            #expect(connections.contains { $0.source == "holder.default" && $0.direction == "inbound" })
            holder.signal(SIGTERM)
            let held = try holder.wait().json(Held.self)
            try eventually("its end is counted") { try lab.sum("malla_connections_closed_total", labels) == 1 }
            #expect(try lab.sum("malla_sent_bytes_total", labels) == Double((held.count ?? 0) + 8))
            #expect(try lab.sum("malla_received_bytes_total", labels) == Double(held.count ?? 0))

            let text = try must(lab.inside(["curl", "-sS", "http://\(Lab.metrics)/metrics"]))
            for map in ["malla_services", "malla_workloads"] {
                let entries = try lab.sum("malla_map_entries", ["map": map])
                let capacity = try lab.sum("malla_map_capacity_entries", ["map": map])
                #expect(entries > 0 && capacity > 0)
                #expect(try lab.sum("malla_map_pressure_ratio", ["map": map]) == entries / capacity, "\(map)")
            }
            #expect(try lab.sum("malla_events_lost_total", [:]) == 0)
            #expect(try lab.sum("malla_folded_flows", [:]) == 0)
            let file = lab.directory.appendingPathComponent("metrics.txt")
            try text.write(to: file, atomically: true, encoding: .utf8)
            let promtool = try run(["sh", "-c", "promtool check metrics < \(file.path)"])
            #expect(promtool.status == 0 && promtool.text.isEmpty && promtool.errors.isEmpty, "\(promtool)")
            for health in ["ready", "live"] {
                try must(lab.inside(["curl", "-sSf", "http://\(Lab.metrics)/healthz/\(health)"]))
            }
        }
    }

    @Test("names resolve for workloads, refusals are events, explanations are the kernel's")
    func namesEventsExplanations() throws {
        try withLab("names", resources: standardResources) { lab in
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let address = try lab.address(of: "guarded", ipv6: false)
            for (index, name) in ["guarded", "guarded.default", "guarded.default.malla"].enumerated() {
                let child = try Child(
                    lab.asWorkload(
                        "resolver-\(index)", account: "friend", labels: [:], ports: [], ["getent", "ahostsv4", name]))
                let output = child.wait()
                #expect(output.status == 0 && output.text.contains(address), "\(name): \(output)")
            }
            let outside = try run(lab.inside(["getent", "hosts", "guarded.default.malla"]))
            #expect(!outside.text.contains(address), "DNS is captured for enrolled workloads only")

            let follower = try Child(
                lab.inside([try Lab.product("malla"), "--admin", lab.admin, "events", "--follow", "-o", "json"]))
            defer { follower.signal(SIGKILL) }
            usleep(300_000)
            _ = try lab.client("stranger", account: "stranger", ["call", "4", address, "80", "1", "1"]).wait()
            try follower.expect("policy_not_allowed")
            let line = try #require(follower.text.split(separator: "\n").first { $0.contains("policy_not_allowed") })
            let event = try JSONDecoder().decode(EventView.self, from: Data(line.utf8))
            #expect(event.source == "stranger.default" && event.service == "guarded.default" && event.kind == "refused")

            let explained = try lab.view(ExplainView.self, ["explain", "--from", "guarded-1", "--to", "guarded:80"])
            #expect(explained.path == "deny" && explained.reason == "policy_not_allowed" && explained.errno == "EPERM")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// The kernel charges what programs keep with a socket to the memory for that socket's options, for which each network
/// namespace has a limit. None at all has each of these allocations fail, and nobody else's.
@Suite("No memory to keep a record with a socket", .serialized, .timeLimit(.minutes(15)))
struct ScarceMemoryTests {
    private static func limit(_ namespace: String, to bytes: String) throws {
        try must([
            "nsenter", "--net=/run/netns/\(namespace)", "sh", "-c", "echo \(bytes) > /proc/sys/net/core/optmem_max",
        ])
    }

    @Test("who needs one is refused by name and counted; who is among the young goes on, counted and cut like others")
    func storage() throws {
        try withLab("scarce", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let direct = try lab.address(of: "direct", ipv6: false)
            let guarded = try lab.address(of: "guarded", ipv6: false)
            // What a program in another network namespace connects is not the walks' to move.
            let far = "\(lab.name)-far"
            try must(["ip", "netns", "add", far])
            defer { _ = try? run(["ip", "netns", "del", far]) }
            try must(["ip", "-n", far, "link", "set", "lo", "up"])
            func outside(_ name: String) throws -> CallResult {
                let command = ["nsenter", "--net=/run/netns/\(far)", try Lab.product("lab-peer")]
                return try Child(
                    lab.asWorkload(
                        name, account: "caller", labels: [:], ports: [],
                        command + ["call", "4", "127.0.0.1", "7000", "1", "1"])
                ).wait().json(CallResult.self)
            }
            func asked(_ name: String) throws -> CallResult {
                try lab.client(name, account: "caller", ["ask", "4", "127.0.0.1", "7000", "connected", "1", "1"]).wait()
                    .json(CallResult.self)
            }
            let size: UInt64 = 1 << 20
            func called(_ name: String) throws -> CallResult {
                try lab.client(name, account: "caller", ["call", "4", direct, "80", "\(size)", "\(size)"]).wait()
                    .json(CallResult.self)
            }
            func refusals() throws -> Double {
                try lab.sum("malla_connections_denied_total", ["reason": "kernel_state"])
            }

            try Self.limit(lab.name, to: "0")
            try Self.limit(far, to: "0")
            #expect(try asked("asks-1").errno == ENOMEM, "UDP is kept with its socket from the beginning")
            #expect(try outside("outside-1").errno == ENOMEM, "so is what another namespace has")
            #expect(try refusals() == 2)
            #expect(try lab.sum("malla_storage_failed_total", [:]) == 2)

            let young = try called("young")
            #expect(young.errno == 0 && young.upReceived == size && young.downReceived == size, "\(young)")
            let friend = try lab.client("friend", account: "friend", ["hold", "4", guarded, "80"])
            try friend.expect("holding")
            // Each reading is a walk over the sockets, which cannot move the record.
            for _ in 0..<3 { _ = try lab.view([ConnectionView].self, ["connections"]) }
            try lab.write(standardResources.replacingOccurrences(of: "[friend]", with: "[stranger]"))
            let cut = try friend.wait().json(Held.self)
            #expect(cut.errno != 0 && cut.stage == "echo", "\(cut)")
            for (workload, bytes) in [("young", Double(size + 8)), ("friend", nil)] {
                let labels = ["direction": "outbound", "source_workload": "\(workload).default"]
                try eventually("\(workload)'s connection is counted to its end") {
                    try lab.sum("malla_connections_closed_total", labels) == 1
                }
                #expect(try lab.sum("malla_connections_opened_total", labels) == 1, "\(workload)")
                guard let bytes else { continue }
                #expect(try lab.sum("malla_sent_bytes_total", labels) == bytes, "\(workload)")
            }

            try Self.limit(lab.name, to: "131072")
            try Self.limit(far, to: "131072")
            #expect(try asked("asks-2").errno != ENOMEM)
            #expect(try outside("outside-2").errno == ECONNREFUSED, "nobody listens in that namespace")
            #expect(try called("again").errno == 0)
            #expect(try refusals() == 2, "with memory all is well")
        }
    }
}

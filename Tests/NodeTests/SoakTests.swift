// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// The promise that nobody notices the daemon, counted. `make soak` runs it at full length.
///
/// `MALLA_SOAK_ROUNDS` (2) kills, `MALLA_SOAK_AWAY` (1) seconds without a daemon each, a connect of each probe every
/// `MALLA_SOAK_PAUSE` (10) milliseconds.
@Suite("Soak", .serialized)
struct SoakTests {
    /// What `lab-peer probe` says.
    private struct Probed: Decodable {
        var milliseconds: Int
        /// Milliseconds into the probe; -1: nothing went wrong.
        var firstWrong: Int
        var outcomes: [String: Int]
    }

    /// A client that connects all the time, and what each of its connects has to end in.
    private struct Probe {
        var title: String
        var family: Family
        var service: String
        var account: String
        var expected: Int32
    }

    private static let probes = [
        Probe(title: "direct, allowed", family: .ipv4, service: "direct", account: "caller", expected: 0),
        Probe(title: "direct, allowed", family: .ipv6, service: "direct", account: "caller", expected: 0),
        Probe(title: "proxied, allowed", family: .ipv4, service: "proxied", account: "caller", expected: 0),
        Probe(title: "guarded, allowed", family: .ipv4, service: "guarded", account: "friend", expected: 0),
        Probe(title: "guarded, denied", family: .ipv4, service: "guarded", account: "stranger", expected: EPERM),
        Probe(title: "guarded, denied", family: .ipv6, service: "guarded", account: "stranger", expected: EPERM),
    ]

    private static func setting(_ name: String, _ standard: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
    }

    @Test("SIGKILL of the daemon under load, again and again: no wrong connect, no lost byte")
    func killed() throws {
        let rounds = Self.setting("MALLA_SOAK_ROUNDS", 2)
        let away = Self.setting("MALLA_SOAK_AWAY", 1)
        let pause = Self.setting("MALLA_SOAK_PAUSE", 10)
        try withLab("soak", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let holding = try ["direct", "proxied"].flatMap { service in
                try [Family.ipv4, .ipv6].map { family in
                    let address = try lab.address(of: service, ipv6: family == .ipv6)
                    let child = try lab.client(
                        "hold-\(service)-\(family.rawValue)", account: "caller",
                        ["hold", family.rawValue, address, "80"])
                    try child.expect("holding")
                    return child
                }
            }
            let probing = try Self.probes.enumerated().map { index, probe in
                let address = try lab.address(of: probe.service, ipv6: probe.family == .ipv6)
                let child = try lab.client(
                    "probe-\(index)", account: probe.account,
                    ["probe", probe.family.rawValue, address, "80", "\(pause)", "\(probe.expected)"])
                try child.expect("probing")
                return child
            }
            let proxy = try #require(try lab.status()?.proxy?.pid)
            var adoption: [Double] = []
            for round in 1...rounds {
                lab.end(SIGKILL)
                let deadline = Date().addingTimeInterval(Double(away))
                while Date() < deadline {
                    for child in probing + holding { try #require(child.isRunning, "round \(round): \(child.text)") }
                    usleep(100_000)
                }
                let start = Date()
                try lab.start()
                adoption.append(Date().timeIntervalSince(start))
                #expect(try lab.status()?.adopted == true, "round \(round)")
                if rounds > 2 { print("soak: round \(round) of \(rounds), ready after \(adoption.last ?? 0) s") }
            }
            #expect(try lab.status()?.proxy?.pid == proxy, "the same proxy all along")

            var (connects, wrong) = (0, 0)
            for (child, probe) in zip(probing, Self.probes) {
                child.signal(SIGTERM)
                let seen = try child.wait(seconds: 60).json(Probed.self)
                let right = seen.outcomes["\(probe.expected)"] ?? 0
                connects += right
                wrong += seen.outcomes.values.reduce(0, +) - right
                #expect(seen.outcomes.count == 1 && right > 0, "\(probe.title) \(probe.family): \(seen)")
                print("soak: \(probe.title), \(probe.family): \(seen.outcomes) in \(seen.milliseconds) ms")
            }
            var (bytes, cut) = (UInt64(0), 0)
            for child in holding {
                child.signal(SIGTERM)
                let held = try child.wait(seconds: 60).json(Held.self)
                let intact = held.errno == 0 && held.stage == "done" && (held.count ?? 0) > 0
                #expect(intact, "\(held)")
                if !intact { cut += 1 }
                bytes += held.count ?? 0
            }
            print(
                "soak: \(rounds) kills, \(away) s away each: \(connects) connects as they should be, \(wrong) wrong; "
                    + "\(bytes) bytes to and fro on \(holding.count) connections, \(cut) of these cut or garbled; "
                    + "ready again after at most \(adoption.max() ?? 0) s")
        }
    }
}

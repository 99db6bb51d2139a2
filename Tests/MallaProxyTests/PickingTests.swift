// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("Requests find their endpoints", .timeLimit(.minutes(15)))
struct PickingTests {
    private struct Lab {
        let lab: ProxyLab
        let origins: [Origin]

        init(_ balancing: RequestBalancing, weights: [UInt32] = [1, 1, 1]) throws {
            origins = try weights.indices.map { number in
                try Origin { head, _ in
                    if number == 0, head.contains("/slow") { usleep(30_000) }
                    return Origin.ok("\(number)")
                }
            }
            lab = try ProxyLab(workers: 1)
            try lab.apply(origins.map(\.port)) { snapshot in
                snapshot.services[0].ports[0].appProtocol = "http"
                snapshot.services[0].ports[0].requests = balancing
                for (index, weight) in weights.enumerated() {
                    snapshot.services[0].ports[0].endpoints4[index].weight = weight
                }
            }
        }

        /// Which endpoints answered.
        func ask(_ count: Int, path: String = "/", _ field: (Int) -> String = { _ in "" }) throws -> [Int] {
            let client = try TCP.connect(port: lab.proxy.port)
            return try (0..<count).map { index in
                try client.send("GET \(path) HTTP/1.1\r\nHost: b\r\n\(field(index))\r\n")
                return try #require(HTTPTests.response(client).last.flatMap { Int(String($0)) })
            }
        }

        func stop() { origins.forEach { $0.stop() } }
    }

    @Test("round robin goes round")
    func roundRobin() throws {
        let lab = try Lab(RequestBalancing(algorithm: .roundRobin))
        let answers = try lab.ask(30)
        #expect(answers == (0..<30).map { (answers[0] + $0) % 3 })
        lab.stop()
    }

    @Test("random goes by weight")
    func random() throws {
        let lab = try Lab(RequestBalancing(algorithm: .random), weights: [9, 1])
        let hits = try lab.ask(400).count { $0 == 1 }
        // 40 are expected; five standard deviations are 30.
        #expect((10...70).contains(hits))
        lab.stop()
    }

    @Test("a header's value always finds the same endpoint, and values are spread; without it who asks decides")
    func hash() throws {
        let lab = try Lab(RequestBalancing(algorithm: .hash, hashHeader: "x-user"))
        let first = try lab.ask(60) { "X-User: user-\($0)\r\n" }
        let second = try lab.ask(60) { "x-uSER: user-\($0)\r\n" }
        #expect(first == second)
        #expect(Set(first).count == 3)
        #expect(Set(try lab.ask(20)).count == 1)
        lab.stop()
    }

    @Test("peak EWMA leaves an endpoint alone that has become slow")
    func peakEWMA() throws {
        let lab = try Lab(RequestBalancing(algorithm: .peakEWMA))
        _ = try lab.ask(60, path: "/slow")
        // It was slow once at most for each time that its slowness had been forgotten.
        let hits = try lab.ask(60, path: "/slow").count { $0 == 0 }
        #expect(hits <= 2, "\(hits)")
        lab.stop()
    }
}

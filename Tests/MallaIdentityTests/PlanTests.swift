// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import Testing

@Suite("Rotation of the root")
struct PlanTests {
    private let names = [1: "one", 2: "two", 3: "three"]

    private func coverage(_ nodes: [String: (trusted: Set<String>, inUse: Set<String>)]) -> RotationCoverage {
        RotationCoverage(
            nodes: nodes.mapValues { RotationCoverage.Node(trusted: $0.trusted, inUse: $0.inUse, heard: 1) })
    }

    @Test("Add, prove, switch, prove, retire")
    func whole() throws {
        var plan = AuthorityPlan()
        #expect(plan.phase == .steady && plan.issuing == 1 && plan.trusted == [1])
        #expect(try plan.begin() == 2)
        #expect(plan.phase == .adding && plan.issuing == 1 && plan.trusted == [1, 2])
        #expect(problem { _ = try plan.begin() }?.kind == .invalid)

        let before = plan
        let half = coverage(["a": (["one", "two"], ["one"]), "b": (["one"], ["one"])])
        let refused = problem { try plan.advance(half, fingerprints: names) }
        #expect(refused?.kind == .denied && refused?.description.contains("1 nodes") == true)
        #expect(plan == before, "nothing has changed")

        let all = coverage(["a": (["one", "two"], ["one"]), "b": (["one", "two"], ["one"])])
        try plan.advance(all, fingerprints: names)
        #expect(plan.phase == .switched && plan.issuing == 2 && plan.other == 1)
        #expect(problem { try plan.advance(all, fingerprints: names) }?.kind == .denied)
        let renewed = coverage(["a": (["one", "two"], ["two"]), "b": (["one", "two"], [])])
        try plan.advance(renewed, fingerprints: names)
        #expect(plan.phase == .steady && plan.issuing == 2 && plan.trusted == [2])
        #expect(try plan.begin() == 3, "numbers are not used twice")
    }

    @Test("It goes back from each step")
    func aborts() throws {
        var plan = AuthorityPlan()
        #expect(problem { try plan.abort() }?.kind == .invalid)
        _ = try plan.begin()
        try plan.abort()
        #expect(plan.phase == .steady && plan.trusted == [1])

        #expect(try plan.begin() == 3)
        try plan.advance(coverage([:]), fingerprints: names)
        #expect(plan.issuing == 3)
        try plan.abort()
        #expect(plan.issuing == 1 && plan.other == 3 && plan.phase == .switched, "what it issued is still trusted")
        #expect(problem { try plan.advance(coverage(["a": ([], ["three"])]), fingerprints: names) } != nil)
        try plan.advance(coverage(["a": ([], ["one"])]), fingerprints: names)
        #expect(plan.trusted == [1])
    }

    @Test("Nodes can be left behind on purpose only")
    func forced() throws {
        var plan = AuthorityPlan()
        _ = try plan.begin()
        try plan.advance(coverage(["gone": ([], [])]), fingerprints: names, force: true)
        #expect(plan.phase == .switched)
    }

    @Test("It is read back as it was; what contradicts itself is refused")
    func files() throws {
        var plan = AuthorityPlan()
        _ = try plan.begin()
        #expect(try AuthorityPlan(encoded: plan.encoded(), path: "plan") == plan)
        for text in [
            "", "{}", "[]", "{\"phase\":\"steady\",\"issuing\":1,\"trusted\":[2],\"highest\":2}",
            "{\"phase\":\"steady\",\"issuing\":1,\"trusted\":[1,2],\"highest\":2}",
            "{\"phase\":\"adding\",\"issuing\":1,\"trusted\":[1],\"highest\":2}",
            "{\"phase\":\"adding\",\"issuing\":1,\"trusted\":[1,1],\"highest\":2}",
        ] {
            #expect(problem { _ = try AuthorityPlan(encoded: Array(text.utf8), path: "plan") }?.kind == .broken)
        }
    }
}

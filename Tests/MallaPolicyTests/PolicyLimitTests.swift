// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Policies that are too large deny what they select, and nobody else")
struct PolicyLimitTests {
    private static func workload(_ name: String) -> Workload {
        Workload(name: ObjectName(name), labels: ["app": name], serviceAccount: name, match: .run)
    }

    private static func policy(
        _ name: String, for app: String, _ rule: AuthorizationPolicy.Rule, isDryRun: Bool = false
    )
        -> AuthorizationPolicy
    {
        AuthorizationPolicy(
            name: ObjectName(name), selector: ["app": app], action: .allow, rules: [rule], isDryRun: isDryRun)
    }

    private static func compile(
        _ policies: [AuthorizationPolicy], identities: [UInt32: Identity] = [:], limits: PolicyLimits = PolicyLimits()
    ) -> CompiledPolicies {
        var book = NumberBook()
        return PolicyCompiler(policies: policies, identities: identities, config: MeshConfig(), limits: limits)
            .compile(for: [workload("large"), workload("small")], book: &book)
    }

    private static func decide(
        _ compiled: CompiledPolicies, _ workload: String, source: UInt32 = 16, port: UInt16 = 80
    ) -> Reason {
        compiled.table.decide(
            PolicyQuestion(
                scope: compiled.scopes[ObjectName(workload)] ?? 0, source: source, port: port, from: .loopback4,
                to: .loopback4)
        ).reason
    }

    @Test("a rule of 400 sources and 400 ports is more than the kernel's maps hold for one scope")
    func scope() {
        var identities: [UInt32: Identity] = [:]
        for number in 16..<416 as Range<UInt32> {
            identities[number] = Identity(
                trustDomain: "malla.local", namespace: "default", serviceAccount: "a\(number)")
        }
        let names = identities.values.map(\.principal)
        let ports = (1...400).map { UInt16($0) }
        let large = Self.policy(
            "wide", for: "large", .init(from: [.init(principals: names)], to: [.init(ports: ports)]))
        let small = Self.policy("narrow", for: "small", .init(to: [.init(ports: [80])]))
        let compiled = Self.compile([large, small], identities: identities)
        #expect(Self.decide(compiled, "large") == .policyOverflow)
        #expect(Self.decide(compiled, "small") == .passed)
        #expect(Self.decide(compiled, "small", port: 81) == .policyNotAllowed)
        #expect(compiled.overflows.map(\.workloads) == [[ObjectName("large")]])
        #expect(compiled.overflows.first?.description.contains("wide.default") == true)
    }

    @Test("the largest scopes go until the rest fits")
    func sum() {
        var limits = PolicyLimits()
        limits.entries = 12
        let large = Self.policy("a", for: "large", .init(to: [.init(ports: (1...8).map { UInt16($0) })]))
        let small = Self.policy("b", for: "small", .init(to: [.init(ports: [1, 2, 3, 80])]))
        let compiled = Self.compile([large, small], limits: limits)
        #expect(compiled.table.entries.count <= limits.entries)
        #expect(Self.decide(compiled, "large", port: 1) == .policyOverflow)
        #expect(Self.decide(compiled, "small") == .passed)
    }

    @Test("too many blocks of addresses")
    func blocks() {
        var limits = PolicyLimits()
        limits.scopeBlocks = 100
        let many = (0..<200).map { AddressBlock(Address(ipv4: 0x0a00_0000 | UInt32($0) << 9), bits: 96 + 24) }
        let large = Self.policy("a", for: "large", .init(from: [.init(ipBlocks: many)]))
        let compiled = Self.compile([large], limits: limits)
        #expect(Self.decide(compiled, "large") == .policyOverflow)
        #expect(Self.decide(compiled, "small") == .passed)
    }

    @Test("a dry run that does not fit is not counted, and denies nothing")
    func dryRun() {
        var limits = PolicyLimits()
        limits.scopeEntries = 5
        let tried = Self.policy(
            "a", for: "large", .init(to: [.init(ports: (1...8).map { UInt16($0) })]), isDryRun: true)
        let compiled = Self.compile([tried], limits: limits)
        #expect(Self.decide(compiled, "large") == .passed)
        #expect(compiled.overflows.map(\.isDryRunOnly) == [true])
    }
}

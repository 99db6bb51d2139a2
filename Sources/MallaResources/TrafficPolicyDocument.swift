// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension TrafficPolicy {
    /// Longest connect timeout: 10 min. The kernel gives up earlier.
    private static let longestConnect: Nanoseconds = 600_000_000_000

    /// Reads `spec` of a `malla.dev/v1/TrafficPolicy`; `nil` after problems.
    init?(_ spec: Fields, _ metadata: Metadata) {
        let service = spec.required("targetRef", hint: "Name the service: `targetRef: {kind: Service, name: …}`")
            .flatMap { Self.target($0, namespace: metadata.name.namespace) }
        var path: Path??
        if let value = spec.optional("path") { path = value.choice([("Direct", .direct), ("Proxy", .proxy)]) }
        var failMode: FailMode? = .closed
        if let value = spec.optional("failMode") { failMode = value.choice([("Closed", .closed), ("Open", .open)]) }
        var connectTimeout: Nanoseconds? = Self.defaultConnectTimeout
        if let value = spec.optional("connectTimeout") {
            connectTimeout = value.duration(1_000_000...Self.longestConnect, "from 1ms to 10m")
        }
        var idleTimeout: Nanoseconds? = Self.defaultIdleTimeout
        if let value = spec.optional("idleTimeout") { idleTimeout = value.duration(0...Nanoseconds.max, "") }
        let balancing = spec.optional("loadBalancing").map(LoadBalancingFields.init) ?? LoadBalancingFields()
        let grace = spec.optional("drain").map(Self.grace) ?? Self.defaultDrainGrace
        var fastPath: Bool? = false
        if let value = spec.optional("fastPath") {
            fastPath = value.boolean()
            if fastPath == true, path == .proxy {
                value.fail("is for connections that go straight to an endpoint, and path is Proxy", hint: "Remove one")
            }
        }
        guard let service, path != .some(nil), let failMode, let connectTimeout, let idleTimeout, let balancing,
            let grace, let fastPath, !(fastPath && path == .proxy)
        else { return nil }
        self.init(
            name: metadata.name, service: service, path: path ?? nil, failMode: failMode,
            connectTimeout: connectTimeout, idleTimeout: idleTimeout, algorithm: balancing.algorithm,
            hashKey: balancing.hashKey, requests: balancing.requests, drainGrace: grace, fastPath: fastPath)
    }

    private static func target(_ value: Value, namespace: String) -> ObjectName? {
        guard let fields = value.fields() else { return nil }
        var isService = true
        if let group = fields.optional("group"), let text = group.text(), !text.isEmpty {
            group.fail("\"\(text.excerpt)\" has no kind that a TrafficPolicy can be for", hint: "Remove the field")
            isService = false
        }
        if let kind = fields.required("kind") {
            isService = kind.choice([("Service", true)]) == true && isService
        }
        let name = fields.required("name")
        let text = name?.text(Syntax.name)
        fields.finish()
        guard isService, let name, let text else { return nil }
        name.report.remember("target", at: name.position)
        return ObjectName(text, namespace: namespace)
    }
}

extension Value {
    /// A length of time within `range`, which `words` tells.
    func duration(_ range: ClosedRange<Nanoseconds>, _ words: String) -> Nanoseconds? {
        let form = "Write up to four numbers, each with h, m, s or ms, for example 5s or 1m30s"
        guard case .text(let text) = content else {
            fail("expected a length of time, found \(content)", hint: form)
            return nil
        }
        guard let duration = Syntax.duration(text) else {
            fail("\"\(text.excerpt)\" is no length of time", hint: form)
            return nil
        }
        guard range.contains(duration) else {
            fail("\(text.excerpt) is not \(words)")
            return nil
        }
        return duration
    }
}

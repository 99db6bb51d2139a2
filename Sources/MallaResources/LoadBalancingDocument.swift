// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension TrafficPolicy {
    typealias Balancing = (algorithm: LoadBalancing.Algorithm?, hashKey: LoadBalancing.HashKey)

    /// Longest grace time: one day.
    private static let longestGrace: Nanoseconds = 86_400_000_000_000
    /// Algorithms that look at requests or at answers, which nobody sees of a connection.
    private static let forRequests = ["LeastRequest", "PeakEWMA"]
    /// Algorithms that others have for the same end.
    private static let alike = [
        "RoundRobin": "WeightedRandom", "Random": "WeightedRandom", "RingHash": "Maglev", "SourceHash": "Maglev",
    ]

    /// Reads `spec.loadBalancing`; `nil` after problems.
    static func balancing(_ value: Value) -> Balancing? {
        guard let fields = value.fields() else { return nil }
        var algorithm: LoadBalancing.Algorithm??
        if let value = fields.required("algorithm") { algorithm = .some(self.algorithm(value)) }
        var hashKey: LoadBalancing.HashKey? = .workload
        if let value = fields.optional("hashKey") {
            hashKey = value.choice([("Workload", .workload), ("Socket", .socket)])
            if case .some(.some(let algorithm)) = algorithm, algorithm != .maglev {
                value.fail("\(algorithm.name) hashes nothing", hint: "Remove the field, or write algorithm: Maglev")
                hashKey = nil
            }
        }
        fields.finish()
        guard case .some(.some(let algorithm)) = algorithm, let hashKey else { return nil }
        return (algorithm, hashKey)
    }

    private static func algorithm(_ value: Value) -> LoadBalancing.Algorithm? {
        if case .text(let text) = value.content {
            if forRequests.contains(text) {
                value.fail(
                    "\(text) chooses by requests, and this version balances connections",
                    hint: "Write LeastConnections: the less busy of two")
                return nil
            }
            if let near = alike[text] {
                value.fail("\(text) is not balanced by in this version", hint: "Write \(near)")
                return nil
            }
        }
        return value.choice(LoadBalancing.Algorithm.allCases.map { ($0.name, $0) })
    }

    /// Reads `spec.drain`; `nil` after problems.
    static func grace(_ value: Value) -> Nanoseconds? {
        guard let fields = value.fields() else { return nil }
        let grace = fields.required("gracePeriod")?.duration(0...longestGrace, "from 0s to 24h")
        fields.finish()
        return grace
    }
}

extension Service {
    /// Longest affinity in seconds: one day, as in Kubernetes.
    private static let longestAffinity = 86_400

    /// Reads `spec.sessionAffinity` and its settings; `nil` after problems.
    static func affinity(_ spec: Fields) -> Nanoseconds? {
        var isSticky: Bool? = false
        if let value = spec.optional("sessionAffinity") {
            isSticky = value.choice([("None", false), ("ClientIP", true)])
        }
        var seconds: Int? = Int(defaultAffinity / 1_000_000_000)
        if let value = spec.optional("sessionAffinityConfig") {
            seconds = Self.seconds(value)
            if isSticky == false {
                value.fail("the field is for sessionAffinity: ClientIP", hint: "Remove it, or write that")
                return nil
            }
        }
        guard let isSticky, let seconds else { return nil }
        return isSticky ? Nanoseconds(seconds) * 1_000_000_000 : 0
    }

    private static func seconds(_ value: Value) -> Int? {
        guard let fields = value.fields() else { return nil }
        var seconds: Int? = Int(defaultAffinity / 1_000_000_000)
        if let client = fields.optional("clientIP") {
            seconds = client.fields().flatMap { client in
                var seconds: Int? = Int(defaultAffinity / 1_000_000_000)
                if let value = client.optional("timeoutSeconds") { seconds = value.integer(1...longestAffinity) }
                client.finish()
                return seconds
            }
        }
        fields.finish()
        return seconds
    }

    /// Reads `spec.trafficDistribution`; `nil` after problems.
    static func distribution(_ spec: Fields) -> TrafficDistribution?? {
        guard let value = spec.optional("trafficDistribution") else { return .some(nil) }
        // Kubernetes' older name for the same.
        let choices: [(String, TrafficDistribution)] = [
            ("PreferSameZone", .preferSameZone), ("PreferSameNode", .preferSameNode), ("PreferClose", .preferSameZone),
        ]
        return value.choice(choices).map(Optional.some)
    }
}

extension Locality {
    /// Reads `spec.locality` of a workload; `nil` after problems.
    init?(_ value: Value) {
        guard let fields = value.fields() else { return nil }
        self.init()
        var isWhole = true
        for (name, field) in [("node", \Locality.node), ("zone", \Locality.zone), ("region", \Locality.region)] {
            guard let value = fields.optional(name) else { continue }
            guard let text = value.text(Syntax.place) else {
                isWhole = false
                continue
            }
            self[keyPath: field] = text
        }
        fields.finish()
        if !isWhole { return nil }
    }
}

extension Syntax {
    /// Names of nodes, zones and regions.
    static func place(_ text: String) -> Flaw? {
        text.isEmpty || labelValue(text) != nil
            ? Flaw(
                message: "\"\(text.excerpt)\" is no name of a place",
                hint:
                    "Use at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends")
            : nil
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// `spec.loadBalancing` of a traffic policy: what the kernel does with connections, and the proxy with requests.
struct LoadBalancingFields {
    var algorithm: LoadBalancing.Algorithm?
    var hashKey = LoadBalancing.HashKey.workload
    var requests = RequestBalancing()

    private typealias Pair = (LoadBalancing.Algorithm, RequestBalancing.Algorithm)

    /// Longest time in which a new endpoint's share grows: one hour.
    private static let longestSlowStart: Nanoseconds = 3_600_000_000_000
    /// What each name means for connections and for requests.
    private static let algorithms: [(name: String, value: Pair)] = [
        ("WeightedRandom", (.weightedRandom, .random)), ("LeastConnections", (.leastConnections, .leastRequest)),
        ("Maglev", (.maglev, .hash)), ("LeastRequest", (.leastConnections, .leastRequest)),
        ("PeakEWMA", (.leastConnections, .peakEWMA)), ("RoundRobin", (.weightedRandom, .roundRobin)),
        ("Random", (.weightedRandom, .random)), ("RingHash", (.maglev, .hash)),
    ]

    /// Nothing was written.
    init() {}

    /// Reads the field; `nil` after problems.
    init?(_ value: Value) {
        guard let fields = value.fields() else { return nil }
        var isWhole = true
        let pair = fields.required("algorithm").flatMap { $0.choice(Self.algorithms) }
        if let value = fields.optional("hashKey") {
            let key = value.choice([("Workload", LoadBalancing.HashKey.workload), ("Socket", .socket)])
            hashKey = key ?? .workload
            isWhole = Self.hashes(pair, value) && key != nil
        }
        if let value = fields.optional("hashHeader") {
            let name = value.text(Syntax.fieldName)
            requests.hashHeader = name?.lowercased() ?? ""
            isWhole = Self.hashes(pair, value) && name != nil && isWhole
        }
        if let value = fields.optional("slowStart") {
            let time = value.duration(0...Self.longestSlowStart, "from 0s to 1h")
            requests.slowStart = time ?? 0
            isWhole = time != nil && isWhole
        }
        fields.finish()
        guard isWhole, let pair else { return nil }
        algorithm = pair.0
        requests.algorithm = pair.1
    }

    /// Whether the algorithm hashes anything; a problem if not. One that is none is a problem already.
    private static func hashes(_ pair: Pair?, _ value: Value) -> Bool {
        guard let pair, pair.1 != .hash else { return true }
        let name = algorithms.first { $0.value == pair }?.name ?? ""
        value.fail("\(name) hashes nothing", hint: "Remove the field, or write algorithm: Maglev")
        return false
    }
}

extension TrafficPolicy {
    /// Longest grace time: one day.
    private static let longestGrace: Nanoseconds = 86_400_000_000_000

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

// SPDX-License-Identifier: Apache-2.0

/// A metric: what is counted or measured, and by which labels it is told apart.
public struct Metric: Sendable, Hashable {
    /// How the values behave.
    public enum Kind: String, Sendable {
        /// Only grows while the process lives.
        case counter
        /// Goes up and down.
        case gauge
        /// A number of observations and their sum.
        case summary
        /// Observations by size, and their sum.
        case histogram
    }

    /// Without the `_total` of counters, with the unit as its last word where it has one.
    public let name: String
    /// How the values behave.
    public let kind: Kind
    /// `bytes` or `seconds`; `nil`: a plain number.
    public let unit: String?
    /// Label names, in the order in which a ``Sample`` gives their values.
    public let labels: [String]
    /// Of a histogram: the upper bounds of its buckets but the last, which takes all that is larger.
    public let bounds: [Double]
    /// One sentence.
    public let help: String

    /// A metric. The catalogue is the one place that makes some.
    ///
    /// - Parameter exponents: of a histogram: its bounds, as powers of two nanoseconds.
    init(
        _ name: String, _ kind: Kind, unit: String? = nil, labels: [String] = [], exponents: [Int] = [], help: String
    ) {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.labels = labels
        self.bounds = exponents.map { Double(sign: .plus, exponent: $0, significand: 1) / 1e9 }
        self.help = help
    }
}

/// A value of a metric at the time of a scrape.
public struct Sample: Sendable, Hashable {
    /// What was read.
    public enum Value: Sendable, Hashable {
        /// A count or a level.
        case integer(UInt64)
        /// A measure.
        case real(Double)
        /// A sum of so many observations.
        case summary(sum: Double, count: UInt64)
        /// How many observations each bucket holds, one more than the metric has bounds, and the sum of all.
        case histogram(sum: Double, buckets: [UInt64])
    }

    /// Of which metric.
    public let metric: Metric
    /// One value for each label of the metric, in its order.
    public let labels: [String]
    /// What was read.
    public let value: Value

    /// A value of `metric`. Missing label values are empty, surplus ones are dropped.
    public init(_ metric: Metric, _ labels: [String], _ value: Value) {
        self.metric = metric
        self.labels = metric.labels.indices.map { $0 < labels.count ? labels[$0] : "" }
        self.value = value
    }

    /// A count or a level of `metric`.
    public init(_ metric: Metric, _ labels: [String], _ value: UInt64) {
        self.init(metric, labels, .integer(value))
    }

    /// A count or a level of a `metric` without labels.
    public init(_ metric: Metric, _ value: UInt64) {
        self.init(metric, [], .integer(value))
    }
}

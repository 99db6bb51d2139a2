// SPDX-License-Identifier: Apache-2.0

/// Samples as text for a scraper.
public enum Exposition {
    /// In which words.
    public enum Format: Sendable {
        /// Prometheus text format 0.0.4: what every scraper reads.
        case prometheus
        /// OpenMetrics 1.0.
        case openMetrics

        /// What an `Accept` header asks for: OpenMetrics only where it is named.
        public init(accepting header: String) {
            let wanted = header.split(separator: ",").contains { $0.contains("application/openmetrics-text") }
            self = wanted ? .openMetrics : .prometheus
        }

        /// The header of the answer.
        public var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    /// The samples in the order of the catalogue, each metric once. Samples of one metric with equal labels become
    /// one series, whose value is their sum: two numbers of the kernel may stand for one name.
    public static func text(_ samples: [Sample], format: Format = .prometheus) -> String {
        var series: [[String: Sample.Value]] = Array(repeating: [:], count: Metric.all.count)
        // Many samples in a row are of one flow, so its labels are put into words once.
        var last: (names: [String], labels: [String], text: String) = ([], [], "")
        for sample in samples {
            guard let place = places[sample.metric.name] else { continue }
            if sample.labels != last.labels || sample.metric.labels != last.names {
                last = (sample.metric.labels, sample.labels, words(sample.metric.labels, sample.labels))
            }
            series[place][last.text, default: .integer(0)].add(sample.value)
        }
        var text = ""
        text.reserveCapacity(samples.count * 160 + 4096)
        for (metric, values) in zip(Metric.all, series) where !values.isEmpty {
            header(metric, format, &text)
            for (labels, value) in values.sorted(by: { $0.key < $1.key }) { lines(metric, labels, value, &text) }
        }
        if case .openMetrics = format { text += "# EOF\n" }
        return text
    }

    /// Where each metric stands in the catalogue.
    private static let places = Dictionary(
        uniqueKeysWithValues: Metric.all.enumerated().map { ($0.element.name, $0.offset) })

    /// `a="x",b="y"`
    private static func words(_ names: [String], _ labels: [String]) -> String {
        zip(names, labels).map { "\($0)=\"\(escaped($1, quotes: true))\"" }.joined(separator: ",")
    }

    private static func header(_ metric: Metric, _ format: Format, _ text: inout String) {
        // OpenMetrics names the family, the older format names the series.
        let total = metric.kind == .counter && format == .prometheus
        let name = total ? metric.name + "_total" : metric.name
        text += "# HELP \(name) \(escaped(metric.help, quotes: format == .openMetrics))\n"
        text += "# TYPE \(name) \(metric.kind.rawValue)\n"
        if let unit = metric.unit, format == .openMetrics { text += "# UNIT \(name) \(unit)\n" }
    }

    private static func lines(_ metric: Metric, _ labels: String, _ value: Sample.Value, _ text: inout String) {
        func write(_ suffix: String, bound: String? = nil, _ number: String) {
            text += metric.name
            text += suffix
            if !labels.isEmpty || bound != nil {
                text += "{"
                text += labels
                if let bound { text += labels.isEmpty ? "le=\"\(bound)\"" : ",le=\"\(bound)\"" }
                text += "}"
            }
            text += " "
            text += number
            text += "\n"
        }
        switch value {
        case .integer(let number): write(metric.kind == .counter ? "_total" : "", "\(number)")
        case .real(let number): write(metric.kind == .counter ? "_total" : "", real(number))
        case .summary(let sum, let count):
            write("_sum", real(sum))
            write("_count", "\(count)")
        case .histogram(let sum, let buckets):
            var count: UInt64 = 0
            for (index, bucket) in buckets.prefix(metric.bounds.count + 1).enumerated() {
                count &+= bucket
                let isBound = index < metric.bounds.count
                write("_bucket", bound: isBound ? real(metric.bounds[index]) : "+Inf", "\(count)")
            }
            write("_sum", real(sum))
            write("_count", "\(count)")
        }
    }

    private static func real(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
        return "\(number)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        let special: (Unicode.Scalar) -> Bool = { $0 == "\\" || $0 == "\n" || (quotes && $0 == "\"") }
        guard text.unicodeScalars.contains(where: special) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if special(scalar) { result.append("\\") }
            result.append(scalar == "\n" ? "n" : scalar)
        }
        return String(result)
    }
}

extension Sample.Value {
    /// Adds another value of the same series.
    fileprivate mutating func add(_ other: Sample.Value) {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): self = .integer(a &+ b)
        case (.integer(let a), .real(let b)), (.real(let b), .integer(let a)): self = .real(Double(a) + b)
        case (.real(let a), .real(let b)): self = .real(a + b)
        case (.summary(let a, let n), .summary(let b, let m)): self = .summary(sum: a + b, count: n &+ m)
        case (.histogram(let a, let few), .histogram(let b, let more)):
            let longer = max(few.count, more.count)
            func padded(_ buckets: [UInt64]) -> [UInt64] {
                buckets + Array(repeating: 0, count: longer - buckets.count)
            }
            self = .histogram(sum: a + b, buckets: zip(padded(few), padded(more)).map { $0 &+ $1 })
        // The first of a series is added to an integer 0; other mixtures are no values of one metric.
        case (.integer, .summary), (.integer, .histogram): self = other
        case (.summary, _), (.histogram, _), (.real, _): break
        }
    }
}

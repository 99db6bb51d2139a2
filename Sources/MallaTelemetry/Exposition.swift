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
        var series: [Metric: [[String]: Sample.Value]] = [:]
        for sample in samples {
            series[sample.metric, default: [:]][sample.labels, default: .integer(0)].add(sample.value)
        }
        var text = ""
        text.reserveCapacity(samples.count * 160 + 4096)
        for metric in Metric.all {
            guard let values = series[metric] else { continue }
            header(metric, format, &text)
            for (labels, value) in values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                line(metric, labels, value, &text)
            }
        }
        if case .openMetrics = format { text += "# EOF\n" }
        return text
    }

    private static func header(_ metric: Metric, _ format: Format, _ text: inout String) {
        // OpenMetrics names the family, the older format names the series.
        let total = metric.kind == .counter && format == .prometheus
        let name = total ? metric.name + "_total" : metric.name
        text += "# HELP \(name) \(escaped(metric.help, quotes: format == .openMetrics))\n"
        text += "# TYPE \(name) \(metric.kind.rawValue)\n"
        if let unit = metric.unit, format == .openMetrics { text += "# UNIT \(name) \(unit)\n" }
    }

    private static func line(_ metric: Metric, _ labels: [String], _ value: Sample.Value, _ text: inout String) {
        func write(_ suffix: String, _ number: String) {
            text += metric.name
            text += suffix
            if !labels.isEmpty {
                text += "{"
                for (index, label) in labels.enumerated() {
                    if index > 0 { text += "," }
                    text += "\(metric.labels[index])=\"\(escaped(label, quotes: true))\""
                }
                text += "}"
            }
            text += " \(number)\n"
        }
        let suffix = metric.kind == .counter ? "_total" : ""
        switch value {
        case .integer(let number): write(suffix, "\(number)")
        case .real(let number): write(suffix, real(number))
        case .summary(let sum, let count):
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
        case (.integer, .summary): self = other
        case (.summary, .integer), (.summary, .real), (.real, .summary): break
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaTelemetry
import Testing

@Suite("Exposition of metrics")
struct ExpositionTests {
    /// One sample for each metric of the catalogue.
    static let everything = Metric.all.map { metric in
        let labels = metric.labels.map { "a-\($0)" }
        return switch metric.kind {
        case .summary: Sample(metric, labels, .summary(sum: 0.25, count: 3))
        case .histogram: Sample(metric, labels, .histogram(sum: 0.25, buckets: metric.bounds.map { _ in 1 } + [2]))
        case .counter, .gauge: Sample(metric, labels, 7)
        }
    }

    @Test("promtool accepts every metric of the catalogue")
    func promtool() throws {
        let text = Exposition.text(Self.everything)
        let (status, output) = try run("/usr/bin/promtool", ["check", "metrics"], input: text)
        #expect(status == 0, "\(output)\n\(text)")
        #expect(output.isEmpty, "\(output)")
    }

    @Test("names are unique and well-formed, and each metric has a help sentence")
    func catalogue() {
        #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        for metric in Metric.all {
            #expect(metric.name.hasPrefix("malla_"))
            #expect(!metric.name.hasSuffix("_total"), "the exposition adds it to \(metric.name)")
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
            if let unit = metric.unit { #expect(metric.name.hasSuffix("_\(unit)"), "\(metric.name)") }
        }
    }

    @Test("the older format: counters end in _total, labels are escaped, equal series are summed")
    func prometheus() {
        let text = Exposition.text([
            Sample(.configReloads, ["a\"b\\c\nd"], 1), Sample(.configReloads, ["ok"], 2),
            Sample(.configReloads, ["ok"], 3), Sample(.generation, 9),
        ])
        #expect(
            text == """
                # HELP malla_generation The snapshot in force in the kernel; 0: none.
                # TYPE malla_generation gauge
                malla_generation 9
                # HELP malla_config_reloads_total Attempts to take new resources, by result.
                # TYPE malla_config_reloads_total counter
                malla_config_reloads_total{result="a\\"b\\\\c\\nd"} 1
                malla_config_reloads_total{result="ok"} 5

                """)
    }

    @Test("a histogram counts up to each bound, ends in +Inf, and is added up where labels are equal")
    func histogram() {
        let buckets = Metric.connectSeconds.bounds.indices.map { $0 == 1 ? UInt64(3) : 0 } + [4]
        let value = Sample.Value.histogram(sum: 0.5, buckets: buckets)
        let text = Exposition.text(Array(repeating: Sample(.connectSeconds, ["a", "b", "c"], value), count: 2))
        let labels = "source_workload=\"a\",target_workload=\"b\",service=\"c\""
        let expected = [
            "malla_connect_seconds_bucket{\(labels),le=\"4.096e-06\"} 0",
            "malla_connect_seconds_bucket{\(labels),le=\"1.6384e-05\"} 6",
            "malla_connect_seconds_bucket{\(labels),le=\"+Inf\"} 14", "malla_connect_seconds_sum{\(labels)} 1.0",
            "malla_connect_seconds_count{\(labels)} 14",
        ]
        let lines = text.split(separator: "\n").map(String.init)
        for line in expected { #expect(lines.contains(line), "\(line) in\n\(text)") }
        #expect(lines.count == 2 + Metric.connectSeconds.bounds.count + 3)
    }

    @Test("OpenMetrics: the family has no _total, units are told, the end is marked")
    func openMetrics() {
        let text = Exposition.text(
            [Sample(.dnsQueries, ["mesh"], 4), Sample(.startTime, [], .real(1.5))], format: .openMetrics)
        #expect(text.contains("# TYPE malla_dns_queries counter\nmalla_dns_queries_total{result=\"mesh\"} 4\n"))
        #expect(text.contains("# UNIT malla_start_time_seconds seconds\nmalla_start_time_seconds 1.5\n"))
        #expect(text.hasSuffix("# EOF\n"))
    }

    @Test(
        "the format follows the Accept header",
        arguments: [
            ("", false), ("*/*", false), ("text/plain;version=0.0.4", false),
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", true),
        ])
    func format(accept: String, openMetrics: Bool) {
        #expect((Exposition.Format(accepting: accept) == .openMetrics) == openMetrics)
    }

    @Test("label values that are missing are empty, and surplus ones are dropped")
    func labels() {
        #expect(Sample(.dnsQueries, [], 1).labels == [""])
        #expect(Sample(.dnsQueries, ["a", "b"], 1).labels == ["a"])
    }
}

/// Runs a program with this input; its status and all of its output.
private func run(_ path: String, _ arguments: [String], input: String) throws -> (Int32, String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let (stdin, stdout) = (Pipe(), Pipe())
    process.standardInput = stdin
    process.standardOutput = stdout
    process.standardError = stdout
    try process.run()
    try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try stdin.fileHandleForWriting.close()
    let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

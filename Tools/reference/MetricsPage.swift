// SPDX-License-Identifier: Apache-2.0
import MallaTelemetry

/// docs/reference/metrics.md: the catalogue that `/metrics` is made from.
enum MetricsPage {
    /// The page.
    static var text: String {
        var page = """
            # Metrics

            <!-- Made by scripts/reference from Sources/MallaTelemetry/Catalogue.swift. Edit that. -->

            What `mallad` serves at `/metrics`, in Prometheus text format 0.0.4, or OpenMetrics 1.0 where the scraper asks \
            for it. Everything is read at the scrape: kernel counters from their maps, with what live connections have \
            moved up to now, the proxy's from shared memory. All but the daemon's own outlive restarts of the daemon.

            Labels are names from resources and words from closed lists, never addresses. An empty label means none, or \
            unknown. Workloads and services are `name.namespace`, identities are SPIFFE ids, reasons are those of \
            [reasons](reasons.md).

            | metric | type | labels | what it is |
            |---|---|---|---|

            """
        for metric in Metric.all {
            let name = metric.kind == .counter ? metric.name + "_total" : metric.name
            let labels = metric.labels.map { "`\($0)`" }.joined(separator: " ")
            page += "| `\(name)` | \(metric.kind.rawValue) | \(labels.isEmpty ? "–" : labels) | \(metric.help) |\n"
        }
        return page
    }
}

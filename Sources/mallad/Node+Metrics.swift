// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Logging
import MallaDNS
import MallaKernel
import MallaLink
import MallaModel
import MallaPolicy
import MallaTelemetry

/// `/metrics`: everything is read at the scrape, nothing is kept for it.
extension Node {
    func samples() async -> [Sample] {
        var samples = own() + careSamples
        let names = Names(numbers)
        // What cannot be read is missing from this scrape; the rest is still true.
        do {
            let flows = countedFlows.divided(try kernel.reader.counters(), by: CountedFlow.init)
            samples += flows.own.flatMap { Self.flow($0, names) } + flows.folded.flatMap { Self.flow($0, nil) }
            let pairs = timedPairs.divided(try kernel.reader.times(), by: TimedPair.init)
            samples += pairs.own.flatMap { Self.times($0, names) } + pairs.folded.flatMap { Self.times($0, nil) }
            samples.append(Sample(.foldedFlows, UInt64(clamping: flows.folded.count)))
            samples += try kernel.reader.rehearsals().map { Self.rehearsal($0, names) }
            samples += Self.statistics(try kernel.reader.statistics())
            samples += try kernel.reader.active().compactMap { one in
                one.address.map {
                    Sample(.backendActive, [names.workload(one.workload), "\($0)"], UInt64(one.connections))
                }
            }
            samples += try kernel.reader.mapSummaries().flatMap(Self.map)
            samples += try kernel.reader.programs().flatMap(Self.program)
            samples.append(Sample(.generation, UInt64(try kernel.generation())))
        } catch {
            logger.error("the kernel side cannot be read for metrics", metadata: ["error": "\(error)"])
        }
        samples.append(Sample(.bypasses, UInt64(clamping: bypasses.count)))
        if let dns { samples += Self.dns(dns) }
        samples += await identitySamples()
        if let proxy {
            samples += [
                Sample(.proxyUp, await proxy.isUp ? 1 : 0), Sample(.proxyRestarts, await proxy.restarts),
                Sample(.proxyGeneration, UInt64(await proxy.generation)),
            ]
            samples += counterReadings().flatMap { Self.proxied($0, names) }
        }
        return samples
    }

    /// What the proxy has counted, whether it runs or not.
    func counterReadings() -> [CounterReading] {
        do {
            return try CounterReading.read(path: settings.proxyCounters)
        } catch {
            logger.warning("the proxy's counters cannot be read", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// Counts datagrams while there is a service that has some: it costs every socket of the machine a little.
    func countDatagrams(of mesh: Mesh) {
        let wanted = mesh.services.values.contains { $0.ports.contains { $0.transport == .udp } }
        do {
            try kernel.datagrams.count(wanted)
        } catch {
            logger.error("datagrams are not counted", metadata: ["error": "\(error)"])
        }
    }

    private func own() -> [Sample] {
        let kinds: [(String, Int)] = [
            ("Service", mesh.services.count), ("Workload", mesh.workloads.count),
            ("AuthorizationPolicy", mesh.authorizationPolicies.count), ("TrafficPolicy", mesh.trafficPolicies.count),
        ]
        return [
            Sample(.build, [Mallad.version, "\(MALLA_ABI)", settings.node], 1),
            Sample(.startTime, [], .real(startedSeconds)), Sample(.configValid, config.problem == nil ? 1 : 0),
            Sample(.configProblems, UInt64(clamping: config.problems)),
            Sample(.policyOverflows, UInt64(clamping: index?.overflows.count ?? 0)),
            Sample(.configReloads, ["taken"], config.taken), Sample(.configReloads, ["refused"], config.refused),
            Sample(.configLastSuccess, [], .real(config.lastSuccess)),
        ] + kinds.map { Sample(.resources, [$0.0], UInt64(clamping: $0.1)) }
    }

    /// Without names all labels are empty: one of the flows that are counted together.
    private static func flow(_ it: CounterRecord, _ names: Names?) -> [Sample] {
        let labels =
            names.map {
                [
                    it.direction.name, it.path.name, $0.workload(it.sourceWorkload), $0.identity(it.source),
                    $0.workload(it.targetWorkload), $0.identity(it.target), $0.service(it.service), it.reason.name,
                ]
            } ?? []
        // The bucket for what found no room is always there; it is news only once it holds something.
        if it.isOverflow, it.opened == 0, it.denied == 0, it.failed == 0 { return [] }
        // A refused connect never has any of the others; a series of zeros for each would only cost the scraper.
        if it.path == .deny { return [Sample(.connectionsDenied, labels, it.denied)] }
        var counts = [
            Sample(.connectionsOpened, labels, it.opened), Sample(.connectionsClosed, labels, it.closed),
            Sample(.connectionsFailed, labels, it.failed),
            Sample(.connectionsActive, labels, it.opened >= it.closed ? it.opened - it.closed : 0),
            Sample(.sentBytes, labels, it.sent), Sample(.receivedBytes, labels, it.received),
            Sample(.retransmits, labels, it.retransmits),
        ]
        if it.datagramsSent != 0 || it.datagramsReceived != 0 {
            counts.append(Sample(.sentDatagrams, labels, it.datagramsSent))
            counts.append(Sample(.receivedDatagrams, labels, it.datagramsReceived))
        }
        if it.denied != 0 { counts.append(Sample(.connectionsRevoked, labels, it.denied)) }
        return counts
    }

    private static func times(_ it: TimesRecord, _ names: Names?) -> [Sample] {
        if it.isOverflow, it.connect.count == 0, it.duration.count == 0 { return [] }
        let pair =
            names.map { [$0.workload(it.sourceWorkload), $0.workload(it.targetWorkload), $0.service(it.service)] } ?? []
        return [
            Sample(.connectSeconds, pair, .times(it.connect, Metric.latencyExponents)),
            Sample(.roundTripSeconds, pair, .times(it.roundTrip, Metric.latencyExponents)),
            Sample(.durationSeconds, pair, .times(it.duration, Metric.durationExponents)),
        ]
    }

    private static func rehearsal(_ it: Rehearsal, _ names: Names) -> Sample {
        let labels = [
            names.workload(it.sourceWorkload), names.identity(it.source), names.workload(it.targetWorkload),
            names.identity(it.target), names.rule(it.rule) ?? "", it.reason == .passed ? "allowed" : "denied",
            it.reason.name,
        ]
        return Sample(.policyDryRun, labels, it.count)
    }

    private static func statistics(_ it: KernelStatistics) -> [Sample] {
        let lost = it.eventsLostByCPU.enumerated().map { Sample(.eventsLost, ["\($0.offset)"], $0.element) }
        return lost + [
            Sample(.decisions, it.decisions), Sample(.eventsLimited, it.eventsLimited),
            Sample(.countersOverflow, it.countersOverflow), Sample(.handoffsMissed, it.handoffsMissed),
            Sample(.storageFailed, it.storageFailed), Sample(.activeFailed, it.activeFailed),
        ]
    }

    private static func map(_ it: MapSummary) -> [Sample] {
        var samples = [Sample(.mapBytes, [it.name], it.memory)]
        if let entries = it.entries {
            samples.append(Sample(.mapEntries, [it.name], UInt64(clamping: entries)))
            samples.append(Sample(.mapCapacity, [it.name], UInt64(clamping: it.maxEntries)))
            let share = Double(entries) / Double(max(it.maxEntries, 1))
            samples.append(Sample(.mapPressure, [it.name], .real(share)))
        }
        return samples
    }

    private static func program(_ it: ProgramSummary) -> [Sample] {
        // Zero runs: nobody has measured.
        guard it.description.runCount != 0 else { return [] }
        return [
            Sample(.programRuns, [it.name], it.description.runCount),
            Sample(.programSeconds, [it.name], .real(Double(it.description.runTime) / 1e9)),
        ]
    }

    private static func dns(_ server: DNSServer) -> [Sample] {
        let it = server.counts
        return [
            ("mesh", it.mesh), ("forwarded", it.forwarded), ("failed", it.failed), ("malformed", it.malformed),
            ("overload", it.overload),
        ].map { Sample(.dnsQueries, [$0.0], $0.1) }
    }

    private static func requests(_ it: CounterReading, _ names: Names) -> [Sample] {
        let isKnown = !it.key.isOverflow
        let labels = [
            isKnown ? names.identity(it.key.source) : "", isKnown ? names.identity(it.key.target) : "",
            isKnown ? names.service(it.key.service) : "",
        ]
        // What never happened is no series: there are many outcomes and few that occur.
        let outcomes = it.outcomes.enumerated().filter { $0.element > 0 }
        if it.key.kind == .calls {
            return outcomes.map { Sample(.calls, labels + [$0.offset < 17 ? "\($0.offset)" : "none"], $0.element) }
        }
        if it.key.kind == .attempts {
            return outcomes.map {
                Sample(.attempts, labels + [ExtraAttempt(rawValue: $0.offset)?.name ?? ""], $0.element)
            }
        }
        let counts = outcomes.map { outcome in
            Sample(.requests, labels + [RequestOutcome(rawValue: outcome.offset)?.name ?? ""], outcome.element)
        }
        let total = it.outcomes.reduce(0, &+)
        return counts + [
            Sample(.requestSeconds, labels, .summary(sum: Double(it.connectNanoseconds) / 1e9, count: total)),
            Sample(.requestBytes, labels + ["upload"], it.sent),
            Sample(.requestBytes, labels + ["download"], it.received),
        ]
    }

    private static func tunnelled(_ it: CounterReading, _ names: Names) -> [Sample] {
        let isKnown = !it.key.isOverflow
        let labels = [
            isKnown ? it.key.service == 0 ? "outbound" : "inbound" : "",
            isKnown ? names.identity(it.key.source) : "", isKnown ? names.identity(it.key.target) : "",
        ]
        guard it.key.kind == .tunnels else {
            return [Sample(.streamsActive, labels, it.active), Sample(.streamsOpened, labels, it.opened)]
        }
        return [
            Sample(.tunnelsActive, labels, it.active), Sample(.tunnelsOpened, labels, it.opened),
            Sample(.tunnelSeconds, labels, .summary(sum: Double(it.connectNanoseconds) / 1e9, count: it.opened)),
        ]
    }

    private static func proxied(_ it: CounterReading, _ names: Names) -> [Sample] {
        switch it.key.kind {
        case .connections: break
        case .tunnels, .streams: return tunnelled(it, names)
        case .requests, .calls, .attempts: return requests(it, names)
        }
        let service = it.key == .overflow ? "" : names.service(it.key.service)
        if it.key.reason != 0 && it.key != .overflow {
            let reason = Reason(rawValue: it.key.reason).name
            return [
                Sample(.proxyRefused, [service, reason], it.refused), Sample(.proxyCut, [service, reason], it.cut),
            ]
        }
        return [
            Sample(.proxyOpened, [service], it.opened), Sample(.proxyClosed, [service], it.closed),
            Sample(.proxyActive, [service], it.active), Sample(.proxyBytes, [service, "upload"], it.sent),
            Sample(.proxyBytes, [service, "download"], it.received),
            Sample(
                .proxyConnectSeconds, [service], .summary(sum: Double(it.connectNanoseconds) / 1e9, count: it.opened)),
        ]
    }
}

extension Sample.Value {
    /// What the kernel counted by powers of two, by these of them.
    fileprivate static func times(_ histogram: KernelHistogram, _ exponents: [Int]) -> Sample.Value {
        var below: UInt64 = 0
        var buckets = exponents.map { exponent in
            let count = histogram.count(below: exponent)
            defer { below = count }
            return count &- below
        }
        buckets.append(histogram.count &- below)
        return .histogram(sum: Double(histogram.nanoseconds) / 1e9, buckets: buckets)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Every metric of Malla. Labels take few values each: names from resources, and words from closed lists. Addresses,
/// ports of clients and anything that a client can choose are never labels.
extension Metric {
    /// What a connection is told apart by. Workloads and services are `name.namespace`; empty: none, or unknown.
    public static let flowLabels = [
        "direction", "path", "source_workload", "source_identity", "target_workload", "target_identity", "service",
        "reason",
    ]

    /// What histograms are told apart by: fewer, because each of their series is a dozen lines.
    public static let pairLabels = ["source_workload", "target_workload", "service"]
    /// As powers of two nanoseconds: the bounds of ``connectSeconds`` and ``roundTripSeconds``, 4 µs to 17 s.
    public static let latencyExponents = Array(stride(from: 12, through: 34, by: 2))
    /// As powers of two nanoseconds: the bounds of ``durationSeconds``, 1 ms to 73 min.
    public static let durationExponents = Array(stride(from: 20, through: 42, by: 2))

    // MARK: Connections, as the kernel counts them

    /// Connections that got established.
    public static let connectionsOpened = Metric(
        "malla_connections_opened", .counter, labels: flowLabels, help: "TCP connections that got established.")
    /// Established connections that ended.
    public static let connectionsClosed = Metric(
        "malla_connections_closed", .counter, labels: flowLabels, help: "Established TCP connections that ended.")
    /// Connects that were let through and did not get established.
    public static let connectionsFailed = Metric(
        "malla_connections_failed", .counter, labels: flowLabels,
        help: "TCP connects that were let through and did not get established.")
    /// Connects that a decision refused.
    public static let connectionsDenied = Metric(
        "malla_connections_denied", .counter, labels: flowLabels,
        help: "Connects that a decision refused, by reason.")
    /// Connections that live.
    public static let connectionsActive = Metric(
        "malla_connections_active", .gauge, labels: flowLabels, help: "Established TCP connections that live.")
    /// Application bytes that the socket's owner sent.
    public static let sentBytes = Metric(
        "malla_sent_bytes", .counter, unit: "bytes", labels: flowLabels,
        help: "Application bytes sent and acknowledged, seen at the socket of `direction`.")
    /// Application bytes that the socket's owner received.
    public static let receivedBytes = Metric(
        "malla_received_bytes", .counter, unit: "bytes", labels: flowLabels,
        help: "Application bytes received, seen at the socket of `direction`.")
    /// Datagrams that the socket's owner sent.
    public static let sentDatagrams = Metric(
        "malla_sent_datagrams", .counter, labels: flowLabels,
        help: "UDP datagrams sent, one for each call of the application; counted while a service has a UDP port.")
    /// Datagrams that the socket's owner received.
    public static let receivedDatagrams = Metric(
        "malla_received_datagrams", .counter, labels: flowLabels,
        help: "UDP datagrams received, one for each call of the application; counted while a service has a UDP port.")
    /// Segments that had to be sent again.
    public static let retransmits = Metric(
        "malla_retransmits", .counter, labels: flowLabels, help: "TCP segments that had to be sent again.")
    /// Open connections that were cut.
    public static let connectionsRevoked = Metric(
        "malla_connections_revoked", .counter, labels: flowLabels,
        help: "Open connections that were cut because what is in force no longer allows them, by reason.")
    /// From connect to established.
    public static let connectSeconds = Metric(
        "malla_connect_seconds", .histogram, unit: "seconds", labels: pairLabels, exponents: latencyExponents,
        help: "Time from connect to established.")
    /// Round trip of TCP.
    public static let roundTripSeconds = Metric(
        "malla_round_trip_seconds", .histogram, unit: "seconds", labels: pairLabels, exponents: latencyExponents,
        help: "Smoothed TCP round trip, of each connection when it ended.")
    /// How long connections lived.
    public static let durationSeconds = Metric(
        "malla_connection_duration_seconds", .histogram, unit: "seconds", labels: pairLabels,
        exponents: durationExponents, help: "Time from established to the end of a connection.")

    /// What policies that are only tried out would have changed.
    public static let policyDryRun = Metric(
        "malla_policy_dry_run", .counter,
        labels: [
            "source_workload", "source_identity", "target_workload", "target_identity", "rule", "outcome", "reason",
        ],
        help:
            "Connects that a dry run would have decided otherwise: `outcome` is what they would have been, allowed or denied."
    )
    /// Policy sets that outgrew their bounds.
    public static let policyOverflows = Metric(
        "malla_policy_overflows", .gauge,
        help:
            "Sets of authorization policies that are too large: what they select is denied to all, or their dry run is not counted."
    )

    // MARK: The kernel side itself

    /// Entries of a map.
    public static let mapEntries = Metric(
        "malla_map_entries", .gauge, labels: ["map"], help: "Entries of a kernel map.")
    /// How many entries a map can hold.
    public static let mapCapacity = Metric(
        "malla_map_capacity_entries", .gauge, labels: ["map"], help: "Entries that a kernel map can hold.")
    /// Kernel memory of a map.
    public static let mapBytes = Metric(
        "malla_map_memory_bytes", .gauge, unit: "bytes", labels: ["map"], help: "Kernel memory of a map.")
    /// How full a map is.
    public static let mapPressure = Metric(
        "malla_map_pressure_ratio", .gauge, unit: "ratio", labels: ["map"],
        help: "Entries of a kernel map as a share of what it can hold.")
    /// Runs of a program.
    public static let programRuns = Metric(
        "malla_program_runs", .counter, labels: ["program"],
        help: "Runs of a kernel program while mallad --program-statistics measures them.")
    /// Time spent in a program.
    public static let programSeconds = Metric(
        "malla_program_run_seconds", .counter, unit: "seconds", labels: ["program"],
        help: "Time spent in a kernel program while mallad --program-statistics measures it.")
    /// Sockets that go past the hooks.
    public static let bypasses = Metric(
        "malla_bypasses", .gauge, help: "Sockets of workloads that go past the hooks, as `malla bypasses` lists them.")
    /// Flows without series of their own.
    public static let foldedFlows = Metric(
        "malla_folded_flows", .gauge,
        help: "Flows that have no series of their own because there are too many; they are in the one without labels.")
    /// Decisions made.
    public static let decisions = Metric(
        "malla_decisions", .counter, help: "Decisions that the kernel side made.")
    /// Events that found the ring buffer full.
    public static let eventsLost = Metric(
        "malla_events_lost", .counter, labels: ["cpu"], help: "Events that found the ring buffer full, by CPU.")
    /// Events that were held back.
    public static let eventsLimited = Metric(
        "malla_events_limited", .counter, help: "Events held back because there were many of the same kind.")
    /// Counts that went to the overflow bucket.
    public static let countersOverflow = Metric(
        "malla_counters_overflow", .counter,
        help: "Counts that went to the series without labels because the counters' map was full.")
    /// Captured connections without a record.
    public static let handoffsMissed = Metric(
        "malla_handoffs_missed", .counter, help: "Accepted connections that found no record of who connected.")
    /// Sockets that the kernel could not keep a record for.
    public static let storageFailed = Metric(
        "malla_storage_failed", .counter, help: "Sockets for which the kernel could not keep a record.")
    /// Connections that could not be counted for their endpoints.
    public static let activeFailed = Metric(
        "malla_backend_uncounted", .counter,
        help: "Connections that found no room to be counted for their endpoints; least connections took those for idle."
    )
    /// Connections at an endpoint of a service that is balanced by them.
    public static let backendActive = Metric(
        "malla_backend_connections_active", .gauge, labels: ["workload", "address"],
        help: "Connections of this node at each endpoint of services with LeastConnections, those being made included.")

    /// What somebody took away and the daemon put back.
    public static let kernelRepairs = Metric(
        "malla_kernel_repairs", .counter, labels: ["damage"],
        help: "Links, programs and maps that somebody took away or replaced and the daemon put back.")
    /// Programs of others at the node's hooks.
    public static let foreignPrograms = Metric(
        "malla_foreign_programs", .gauge, labels: ["hook"],
        help: "Programs of others that run at the mesh's hooks; no series: none.")
    /// Whether everything is in its place.
    public static let kernelWhole = Metric(
        "malla_kernel_whole", .gauge,
        help: "1 when links, programs and maps are in their places, 0 when the daemon cannot put them back.")

    // MARK: The daemon

    /// Always 1.
    public static let build = Metric(
        "malla_build_info", .gauge, labels: ["version", "abi", "node"], help: "The running version; the value is 1.")
    /// When the daemon started.
    public static let startTime = Metric(
        "malla_start_time_seconds", .gauge, unit: "seconds", help: "When the daemon started, as Unix time.")
    /// The snapshot in force.
    public static let generation = Metric(
        "malla_generation", .gauge, help: "The snapshot in force in the kernel; 0: none.")
    /// Whether the newest resources are in force.
    public static let configValid = Metric(
        "malla_config_valid", .gauge,
        help: "1 when the resources as they are now are in force, 0 when they were refused and older ones are.")
    /// What is wrong with the newest resources.
    public static let configProblems = Metric(
        "malla_config_problems", .gauge, help: "What is wrong with the resources as they are now.")
    /// Attempts to take new resources.
    public static let configReloads = Metric(
        "malla_config_reloads", .counter, labels: ["result"], help: "Attempts to take new resources, by result.")
    /// When resources were last taken.
    public static let configLastSuccess = Metric(
        "malla_config_last_success_time_seconds", .gauge, unit: "seconds",
        help: "When resources were last taken, as Unix time; 0: never.")
    /// What is in force, by kind.
    public static let resources = Metric(
        "malla_resources", .gauge, labels: ["kind"], help: "Resources in force, by kind.")
    /// DNS questions of workloads.
    public static let dnsQueries = Metric(
        "malla_dns_queries", .counter, labels: ["result"],
        help: "DNS questions: answered from the mesh, forwarded, failed or malformed.")

    // MARK: Identity

    /// Identities of this node, by how their certificates stand.
    public static let certificates = Metric(
        "malla_certificates", .gauge, labels: ["state"],
        help:
            "Identities of this node's workloads by how their certificates stand: `waiting` for the first, `valid`, "
            + "`overdue` (renewal fails), `expired` (connections to other nodes are refused).")
    /// How long a certificate is still good.
    public static let certificateSecondsLeft = Metric(
        "malla_certificate_left_seconds", .gauge, unit: "seconds", labels: ["identity"],
        help: "Time until the certificate in use ends. Renewal is at half of its life: alarm at a third.")
    /// How long a root is still good.
    public static let rootSecondsLeft = Metric(
        "malla_trust_root_left_seconds", .gauge, unit: "seconds", labels: ["root"],
        help: "Time until a trusted root ends, by its SHA-256.")
    /// Attempts to get a certificate.
    public static let certificateRequests = Metric(
        "malla_certificate_requests", .counter, labels: ["result"],
        help: "Attempts to get a certificate for a workload of this node, by result.")

    // MARK: The node proxy

    /// Whether the proxy runs.
    public static let proxyUp = Metric(
        "malla_proxy_up", .gauge, help: "1 when the node proxy runs and talks to the daemon.")
    /// How often it was started again.
    public static let proxyRestarts = Metric(
        "malla_proxy_restarts", .counter, help: "How often the node proxy was started again.")
    /// The snapshot that it serves.
    public static let proxyGeneration = Metric(
        "malla_proxy_generation", .gauge, help: "The snapshot that the node proxy serves; 0: none.")
    /// Connections that it relays.
    public static let proxyActive = Metric(
        "malla_proxy_connections_active", .gauge, labels: ["service"], help: "Connections that the node proxy relays.")
    /// Connections that reached an endpoint.
    public static let proxyOpened = Metric(
        "malla_proxy_connections_opened", .counter, labels: ["service"],
        help: "Connections for which the node proxy reached an endpoint.")
    /// Those of them that have ended.
    public static let proxyClosed = Metric(
        "malla_proxy_connections_closed", .counter, labels: ["service"],
        help: "Connections that reached an endpoint and have ended.")
    /// Connections that reached none.
    public static let proxyRefused = Metric(
        "malla_proxy_connections_refused", .counter, labels: ["service", "reason"],
        help: "Connections that the node proxy ended before it reached an endpoint, by reason.")
    /// Connections that were ended from the middle.
    public static let proxyCut = Metric(
        "malla_proxy_connections_cut", .counter, labels: ["service", "reason"],
        help: "Connections that ended otherwise than by both sides closing in peace, by reason.")
    /// Bytes that it relayed.
    public static let proxyBytes = Metric(
        "malla_proxy_relayed_bytes", .counter, unit: "bytes", labels: ["service", "flow"],
        help: "Bytes that the node proxy relayed: `upload` from the client, `download` to it.")
    /// From accept to an endpoint.
    public static let proxyConnectSeconds = Metric(
        "malla_proxy_connect_seconds", .summary, unit: "seconds", labels: ["service"],
        help: "Time from accepting a connection to reaching its endpoint.")

    /// What tunnels are told apart by: the two identities, and whether this node made them.
    public static let tunnelLabels = ["direction", "source_identity", "target_identity"]
    /// Tunnels that stand.
    public static let tunnelsActive = Metric(
        "malla_tunnels_active", .gauge, labels: tunnelLabels,
        help: "Tunnels that stand: `outbound` made by this node, `inbound` by another.")
    /// Tunnels that stood.
    public static let tunnelsOpened = Metric(
        "malla_tunnels_opened", .counter, labels: tunnelLabels, help: "Tunnels whose two ends proved who they are.")
    /// How long that took.
    public static let tunnelSeconds = Metric(
        "malla_tunnel_setup_seconds", .summary, unit: "seconds", labels: tunnelLabels,
        help: "Time until a tunnel stood: from the connect, or from accepting it.")
    /// Connections in tunnels.
    public static let streamsActive = Metric(
        "malla_tunnel_streams_active", .gauge, labels: tunnelLabels, help: "Connections that tunnels carry.")
    /// Connections that tunnels carried.
    public static let streamsOpened = Metric(
        "malla_tunnel_streams_opened", .counter, labels: tunnelLabels,
        help: "Connections that were asked for by tunnel; `inbound`: that were let through.")

    /// What requests are told apart by.
    public static let requestLabels = ["source_identity", "target_identity", "service"]
    /// HTTP requests that ended.
    public static let requests = Metric(
        "malla_http_requests", .counter, labels: requestLabels + ["outcome"],
        help: "HTTP requests that ended, by the class of their status, or `aborted`.")
    /// How long they took.
    public static let requestSeconds = Metric(
        "malla_http_request_seconds", .summary, unit: "seconds", labels: requestLabels,
        help: "Time from a request's head to the end of its response.")
    /// Bytes of content.
    public static let requestBytes = Metric(
        "malla_http_content_bytes", .counter, unit: "bytes", labels: requestLabels + ["flow"],
        help: "Content of HTTP messages: `upload` in requests, `download` in responses.")
    /// gRPC calls that ended.
    public static let calls = Metric(
        "malla_grpc_calls", .counter, labels: requestLabels + ["grpc_status"],
        help: "gRPC calls that ended, by their status; `none` without one.")

    /// Requests that were sent more than once.
    public static let attempts = Metric(
        "malla_http_extra_attempts", .counter, labels: requestLabels + ["kind"],
        help:
            "What routes did with requests beside their first attempt: `retry`, `retry_over_budget` (not tried again), "
            + "`mirror` (a copy), `mirror_left_out` (a copy that was not sent).")

    /// The whole catalogue, in the order of the exposition.
    public static let all: [Metric] = [
        connectionsOpened, connectionsClosed, connectionsFailed, connectionsDenied, connectionsRevoked,
        connectionsActive, sentBytes, receivedBytes, sentDatagrams, receivedDatagrams, retransmits, connectSeconds,
        roundTripSeconds, durationSeconds, policyDryRun, policyOverflows, mapEntries, mapCapacity, mapBytes,
        mapPressure, programRuns, programSeconds,
        bypasses, foldedFlows, decisions, eventsLost, eventsLimited, countersOverflow, handoffsMissed, activeFailed,
        backendActive, storageFailed, kernelRepairs, foreignPrograms, kernelWhole, build, startTime, generation,
        configValid,
        configProblems, configReloads, configLastSuccess, resources, dnsQueries, certificates,
        certificateSecondsLeft, rootSecondsLeft, certificateRequests, proxyUp, proxyRestarts,
        proxyGeneration, proxyActive, proxyOpened, proxyClosed, proxyRefused, proxyCut, proxyBytes, proxyConnectSeconds,
        tunnelsActive, tunnelsOpened, tunnelSeconds, streamsActive, streamsOpened,
        requests, requestSeconds, requestBytes, calls, attempts,
    ]
}

// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
public import MallaModel

/// Reads the kernel side of a node by its pins, whether its daemon runs or not.
///
/// Needs root, or CAP_BPF and the right to open the pins; connections and counters need CAP_NET_ADMIN and CAP_PERFMON
/// too. All methods may be called from any thread.
public final class KernelReader: Sendable {
    let pins: PinFolder
    let maps: KernelMaps
    private let settling: BPFProgram
    private let sweeping: BPFProgram
    private let vacating: BPFProgram
    private let live: BPFProgram
    private let liveFlows: BPFProgram
    private let explainer: BPFProgram

    /// Opens what is pinned.
    ///
    /// - Parameter pins: the folder that the daemon was given.
    /// - Throws: ``KernelError`` with the code `notFound` when no node of this ABI is pinned there.
    public init(pins root: String) throws {
        let pins = PinFolder(root: root)
        guard Folder.exists(pins.map("malla_config")) else {
            throw KernelError(
                .notFound, "nothing of ABI \(PinFolder.abi) is pinned at \(root)",
                hint: "start mallad, or name its folder with --pins")
        }
        let maps = try KernelMaps(pins)
        settling = try BPFProgram(pinned: pins.program("malla_settle"))
        sweeping = try BPFProgram(pinned: pins.program("malla_sweep"))
        vacating = try BPFProgram(pinned: pins.program("malla_vacate"))
        live = try BPFProgram(pinned: pins.program("malla_live"))
        liveFlows = try BPFProgram(pinned: pins.program("malla_live_flows"))
        explainer = try BPFProgram(pinned: pins.program("malla_explain"))
        self.maps = maps
        self.pins = pins
    }

    /// The number of the snapshot in force; 0: none was applied yet.
    public func generation() throws -> UInt32 { try maps.snapshot() }

    /// The endpoints, each once: those that services lead to, and those that are known by their addresses only.
    public func endpoints() throws -> [Snapshot.Endpoint] {
        let entries = try maps.endpoints.entries().filter {
            $0.value.flags & UInt16(MALLA_ENDPOINT_AMBIGUOUS.rawValue) == 0
        }
        return Array(
            Dictionary(entries.map { ($0.value.endpoint, Snapshot.Endpoint($0.value)) }) { first, _ in first }.values)
    }

    /// The TCP connections that the hooks and the programs on interfaces know, each with its bytes up to now. Walks all of them.
    public func connections() throws -> [ConnectionRecord] {
        try settle()
        let sockets = try live.iterate(map: maps.connections.descriptor, as: malla_live.self)
        let flows = try liveFlows.iterate(map: maps.flows.descriptor, as: malla_live.self)
        return (sockets + sockets.compactMap(\.accepted) + flows).map(ConnectionRecord.init)
    }

    /// The counters, with what live connections have moved up to now: exact at the time of the call.
    public func counters() throws -> [CounterRecord] {
        try settle()
        // The walk adds to the counters what is not in them yet.
        _ = try live.iterate(map: maps.connections.descriptor)
        _ = try liveFlows.iterate(map: maps.flows.descriptor)
        let counters = try maps.counters.entries()
        // What was counted while there was no memory for a value per CPU: seldom anything.
        var spare = try maps.spare.entries().reduce(into: [MapBytes<malla_counter_key>: malla_counter]()) {
            $0[MapBytes($1.key)] = $1.value
        }
        let whole = counters.map { key, values in
            CounterRecord(key, values + [spare.removeValue(forKey: MapBytes(key))].compactMap(\.self))
        }
        return whole + spare.map { CounterRecord($0.key.value, [$0.value]) }
    }

    /// Moves the records of connections that live from among the young to their sockets, where walks find them.
    ///
    /// From another network namespace than the node's own, nothing moves: what is young is missing from
    /// ``connections()`` then, and what it has moved from ``counters()`` until it ends.
    private func settle() throws { _ = try settling.iterate(as: UInt8.self) }

    /// The same, and takes out what no socket is left for, of connects that failed before their SYN. To be called now and
    /// then, in the node's own network namespace: elsewhere it does nothing.
    public func tidy() throws {
        guard try maps.config.lookup(0)?.netns == NamespaceGuard.cookie() else { return }
        try settle()
        _ = try sweeping.iterate(map: maps.young.descriptor)
        _ = try vacating.iterate(map: maps.places.descriptor)
    }

    /// How long connections took. Those that live are in it once ``counters()`` or ``tidy()`` has found them.
    public func times() throws -> [TimesRecord] {
        try maps.times.entries().map { TimesRecord($0.key, $0.value) }
    }

    /// What the programs count about themselves.
    public func statistics() throws -> KernelStatistics {
        KernelStatistics(
            try maps.stats.entries().reduce(into: [:]) { all, entry in all[entry.key] = entry.values })
    }

    /// Events as they happen. What nobody reads stays in the kernel's buffer until that is full; then it is counted as
    /// lost. One reader at a time: two would share the events between them.
    public func events() throws -> KernelEvents {
        KernelEvents(try RingBuffer(maps.events, name: "malla_events"))
    }

    /// Runs the hooks' own decision code on the maps in force, without a connection.
    public func explain(_ question: Question) throws -> Explanation {
        // A change in the middle is told as it is afterwards.
        var answer = try explained(question)
        for _ in 0..<8 {
            let again = try explained(question)
            if again == answer { break }
            answer = again
        }
        return answer
    }

    private func explained(_ question: Question) throws -> Explanation {
        var packet = malla_explanation_packet()
        packet.explanation = question.abi
        guard try explainer.run(onPacket: &packet) == 0 else {
            throw KernelError(.layout, "the decision code found no settings in malla_config")
        }
        return Explanation(packet.explanation)
    }

    /// A descriptor of the connections' records with which a process without privileges may look up its own sockets
    /// and do nothing else. The caller closes it.
    public func connectionsForProxy() throws -> CInt {
        try Descriptor(pinnedMap: pins.map("malla_connections"), access: .readOnly).release()
    }
}

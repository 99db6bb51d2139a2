// SPDX-License-Identifier: Apache-2.0

import Glibc
public import MallaLink
public import MallaModel
import Reactor
import Synchronization
import TLSWire

/// The node proxy: workers that carry connections, each on a thread of its own, and what reaches all of them.
///
/// Safe to use from any thread. Ends with ``drain(grace:)`` or ``stop()`` followed by ``join()``.
public final class Proxy: Sendable {
    /// How a proxy is set up.
    public struct Options: Sendable {
        /// Threads, each with listeners of its own on the same port.
        public var workers: Int
        /// On 127.0.0.1 and ::1; 0: any free port, for IPv4 and IPv6 alike.
        public var port: UInt16
        /// The file of counters that the daemon reads.
        public var counters: String
        /// Connections that one worker carries at a time; what is beyond is reset, `connection_limit`.
        public var connectionsPerWorker: Int
        /// Bytes that one worker keeps for slow peers, over all its connections.
        public var buffersPerWorker: Int

        /// Where other nodes' tunnels are accepted.
        public var tunnels: [SocketAddress] = []

        /// How long tunnels are waited for, and kept.
        public var tunnelTimes = TunnelTimes()

        /// What one source and one endpoint may have.
        public var limits = Limits()

        /// The usual set-up: connections as many as descriptors suffice for, two of them for each.
        public init(
            workers: Int, port: UInt16, counters: String, connectionsPerWorker: Int, buffersPerWorker: Int = 64 << 20
        ) {
            self.workers = workers
            self.port = port
            self.counters = counters
            self.connectionsPerWorker = connectionsPerWorker
            self.buffersPerWorker = buffersPerWorker
        }
    }

    /// Bounds for each worker, beside the fair share that ``SourceLoads`` keeps.
    public struct Limits: Sendable {
        /// Connections, and requests, that one source may have at a time.
        public var source: Int
        /// Connections and requests that one endpoint gets at a time.
        public var endpoint: Int

        /// No bounds but the worker's own, unless some are given.
        public init(source: Int = .max, endpoint: Int = .max) {
            self.source = source
            self.endpoint = endpoint
        }
    }

    /// What the proxy tells about itself.
    public enum Progress: Sendable, Equatable {
        /// All workers use the snapshot of this generation.
        case applied(generation: UInt32)
        /// All workers have said what tunnels they have.
        case tunnels(question: UInt32, [TunnelFact])
        /// The last worker has ended.
        case ended
    }

    /// The port that the listeners are on.
    public let port: UInt16
    /// Where tunnels are accepted: as asked for, with ports where any would do.
    public let tunnels: [SocketAddress]
    private let publication = Publication<View>()
    private let means = Publication<TunnelMeans>()
    private let mailboxes: [Mailbox<Worker.Command>]
    private let reports: Mailbox<Worker.Report>
    private let threads: [Thread]
    private let state: Mutex<State>

    private struct State {
        var credentials = CredentialDesk()
        /// Made with the first credential.
        var handshakers: Handshakers?
        var records: ConnectionRecords?
        /// Second descriptors of all listeners, those of the mints among them, for the daemon; they would keep a
        /// listener alive, so they go first.
        var listeners: [Int32] = []
        var adopted: [UInt32]
        var applied: UInt32 = 0
        var running: Set<Int>
        var reserved = ReservedPorts()
        var question: TunnelQuestion?
    }

    /// Takes the port and starts the workers. They listen from the first snapshot on: until then connects are refused,
    /// and the kernel sees that no proxy is there.
    public init(_ options: Options, log: Log) throws {
        let workers = max(1, options.workers)
        let file = try CounterFile(path: options.counters, workers: workers)
        let reports = try Mailbox<Worker.Report>()
        let publication = publication
        let means = means
        var mailboxes: [Mailbox<Worker.Command>] = []
        var handovers: [Handover<Worker.Parts>] = []
        var port = options.port
        var copies: [Int32] = []
        var tunnels = options.tunnels
        for number in 0..<workers {
            let mailbox = try Mailbox<Worker.Command>()
            let listener4 = try Listener(address: Address.loopback4.inlineBytes, port: port, shared: true)
            port = listener4.port
            let listener6 = try Self.listener6(port: port)
            let mint4 = Self.mint(.loopback4)
            let mint6 = Self.mint(.loopback6)
            if let copy = mint4?.duplicate() { copies.append(copy) }
            if let copy = mint6?.duplicate() { copies.append(copy) }
            var tunnelListeners: [TunnelListener] = []
            for index in tunnels.indices {
                let made = try TunnelListener(tunnels[index])
                tunnels[index].port = made.listener.port
                tunnelListeners.append(made)
            }
            mailboxes.append(mailbox)
            copies.append(listener4.duplicate())
            if let copy = listener6?.duplicate() { copies.append(copy) }
            handovers.append(
                Handover(
                    Worker.Parts(
                        number: number, counters: file.table(worker: number), listener4: listener4,
                        listener6: listener6, mint4: mint4, mint6: mint6,
                        capacity: options.connectionsPerWorker,
                        tunnelListeners: tunnelListeners, ownPorts: [port] + tunnels.map(\.port),
                        tunnelTimes: options.tunnelTimes, bufferLimit: options.buffersPerWorker, limits: options.limits,
                        log: log,
                        publication: publication, means: means, mailbox: mailbox,
                        reports: reports)))
        }
        do {
            let addresses = [SocketAddress(.loopback4, port), SocketAddress(.loopback6, port)]
            if let mint = copies.first { try PortConflict.check(addresses + tunnels, own: mint) }
        } catch {
            for copy in copies { close(copy) }
            throw error
        }
        file.rest()
        threads = try handovers.enumerated().map { number, handover in
            try Thread(name: "worker-\(number)") {
                guard let parts = handover.take() else { return }
                do {
                    var worker = try Worker(parts)
                    worker.run()
                } catch {
                    log.write(.error, "a worker could not start", [("worker", "\(number)"), ("error", "\(error)")])
                    reports.post(.ended(worker: number))
                }
            }
        }
        self.port = port
        self.tunnels = tunnels
        self.mailboxes = mailboxes
        self.reports = reports
        state = Mutex(
            State(
                listeners: copies.filter { $0 >= 0 }, adopted: Array(repeating: 0, count: workers),
                running: Set(0..<workers)))
    }

    deinit { forgetListeners() }

    /// What `body` makes of descriptors of all listeners; none are left once the proxy drains.
    func withListeners<Result>(_ body: ([Int32]) -> Result) -> Result { state.withLock { body($0.listeners) } }

    private func forgetListeners() {
        state.withLock { state in
            for copy in state.listeners { close(copy) }
            state.listeners = []
        }
    }

    /// Without one, connections are made from the node's own address.
    private static func mint(_ address: Address) -> Mint? {
        do { return try Mint(loopback: address.inlineBytes) } catch { return nil }
    }

    /// A node without IPv6 has no ::1, and then no workload that could connect to it.
    private static func listener6(port: UInt16) throws(SystemError) -> Listener? {
        do {
            return try Listener(address: Address.loopback6.inlineBytes, port: port, shared: true)
        } catch  where error.code == EADDRNOTAVAIL || error.code == EAFNOSUPPORT {
            return nil
        }
    }

    /// The kernel's records by a newly received descriptor; used with the next snapshot.
    public func use(_ records: ConnectionRecords) { state.withLock { $0.records = records } }

    /// Puts a snapshot into force. Connections that it no longer allows are cut; others go on.
    public func apply(_ snapshot: Snapshot) throws(LinkError) {
        guard let records = state.withLock({ $0.records }) else {
            throw LinkError("a snapshot came before the descriptor of the connection records")
        }
        publication.publish(View(snapshot, records: records, after: publication.current.0))
        mailboxes.forEach { $0.post(.look) }
    }

    /// Puts into force what a patch makes of the snapshot in force.
    ///
    /// - Throws: it is for another snapshot, or refers to what is not there. What was in force stays.
    public func apply(_ patch: SnapshotPatch) throws(LinkError) {
        guard let records = state.withLock({ $0.records }), let former = publication.current.0 else {
            throw LinkError("a change came before a snapshot")
        }
        publication.publish(try View(former, patch, records: records))
        mailboxes.forEach { $0.post(.look) }
    }

    /// An identity of this node's workloads proves itself by this from now on. Tunnels that stand are not disturbed.
    public func use(_ credential: Credential) throws {
        try change { desk throws(TLSProblem) in try desk.take(credential) }
    }

    /// Peers are judged by these roots from now on. Tunnels with peers of domains that are missing are cut.
    public func use(_ bundles: [TrustBundle]) throws {
        try change { desk throws(TLSProblem) in try desk.take(bundles) }
    }

    /// An identity has nothing to prove itself with any more: its tunnels are cut.
    public func withdraw(_ identity: Identity) { try? change { $0.withdraw(identity) } }

    /// These ports are for nobody from elsewhere from now on, besides those that always are.
    public func reserve(_ ports: [UInt16]) {
        let isUsed = state.withLock { state in
            state.reserved = ReservedPorts(ports)
            return state.handshakers != nil
        }
        // Before there are credentials nobody comes from elsewhere; they bring the ports with them.
        if isUsed { try? change { _ in } }
    }

    /// Asks all workers what tunnels they have; a former question is forgotten.
    public func askTunnels(_ number: UInt32) {
        state.withLock { $0.question = TunnelQuestion(number: number, workers: $0.running) }
        for mailbox in mailboxes { mailbox.post(.tellTunnels) }
    }

    private func change(_ body: (inout CredentialDesk) throws(TLSProblem) -> Void) throws {
        try state.withLock { state in
            try body(&state.credentials)
            let handshakers: Handshakers
            if let made = state.handshakers {
                handshakers = made
            } else {
                handshakers = try Handshakers()
                state.handshakers = handshakers
            }
            // Inside of the lock, so that books reach all workers in the order in which they were made.
            means.publish(
                TunnelMeans(book: state.credentials.book, handshakers: handshakers, reserved: state.reserved))
            for mailbox in mailboxes { mailbox.post(.look) }
        }
    }

    /// Stops accepting; workers end when their connections have, at the latest after `grace`, when the rest is cut.
    public func drain(grace: Nanoseconds) {
        forgetListeners()
        mailboxes.forEach { $0.post(.drain(grace: grace)) }
    }

    /// Cuts all connections and ends.
    public func stop() {
        forgetListeners()
        mailboxes.forEach { $0.post(.stop) }
    }

    /// Waits until all workers have ended. Once only.
    public func join() {
        threads.forEach { $0.join() }
        state.withLock { state in
            state.handshakers?.stop()
            state.handshakers = nil
        }
        for mailbox in mailboxes {
            for command in mailbox.collect() {
                if case .shaken(let answer) = command { Worker.giveUp(answer) }
            }
        }
    }

    /// Readable when there is progress to take with ``progress()``.
    public var progressDescriptor: Int32 { reports.descriptor }

    /// The generation that all workers use; 0: none yet.
    public var generation: UInt32 { state.withLock { $0.applied } }

    /// What has happened since the last call. For one thread.
    public func progress() -> [Progress] {
        let news = reports.collect()
        return state.withLock { state in
            var progress: [Progress] = []
            for report in news {
                switch report {
                case .adopted(let worker, let generation):
                    state.adopted[worker] = generation
                    guard state.adopted.allSatisfy({ $0 == generation }), state.applied != generation else { continue }
                    state.applied = generation
                    progress.append(.applied(generation: generation))
                case .tunnels(let worker, let facts):
                    state.question?.take(facts, of: worker)
                case .ended(let worker):
                    state.running.remove(worker)
                    state.question?.take([], of: worker)
                    if state.running.isEmpty { progress.append(.ended) }
                }
            }
            if let question = state.question, question.isAnswered {
                progress.append(.tunnels(question: question.number, question.facts))
                state.question = nil
            }
            return progress
        }
    }
}

/// Carries a value that cannot be copied into a thread that is being started.
private final class Handover<Value: ~Copyable>: @unchecked Sendable {
    // Written before the thread starts and taken once by it: starting it orders the two.
    private var value: Value?

    init(_ value: consuming Value) { self.value = consume value }

    func take() -> Value? { value.take() }
}

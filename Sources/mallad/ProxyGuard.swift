// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Logging
import MallaAPI
import MallaAdmin
import MallaIssuance
import MallaLink
import MallaModel
import ServiceLifecycle

/// Keeps a node proxy at work: takes over one that lives, starts one otherwise, tells it each snapshot, and starts it
/// again when it ends. The first restart is immediate; one that keeps ending is started ever more rarely.
actor ProxyGuard: ServiceLifecycle.Service {
    private let settings: Settings
    private let program: String
    /// Gives a descriptor of the map of connection records, which the receiver closes.
    private let records: @Sendable () throws -> Int32
    /// Makes the proxy's listeners reachable for network namespaces; the descriptors are not kept.
    private let use: @Sendable (_ listeners: [Int32]) throws -> Void
    private let logger: Logger
    private let workers = max(1, Int(linux_usable_cpus()))

    /// What is in force, whole: put together when it is needed, because nobody keeps it.
    private var whole: @Sendable () async -> Snapshot? = { nil }
    /// Credentials and trust as they are now; `nil`: this node has none.
    private var proofs: @Sendable () async -> Credentials.Proofs? = { nil }
    /// What this session's proxy was told of them.
    private var ledger = ProofLedger()
    private var isSendingProofs = false
    private var mustSendProofsAgain = false
    private var session: ProxySession?
    /// What the proxy was asked about its tunnels and has not answered yet.
    private var inquiry: TunnelInquiry?
    private var inquiries: UInt32 = 0
    /// Ports of this node that tunnels do not lead to.
    private var reserved: Set<UInt16>
    /// The generation of what this session's proxy was told last; 0: nothing yet.
    private var told: UInt32 = 0
    /// The generation of the snapshot that it was last told whole.
    private var toldWhole: UInt32 = 0
    /// Whether a whole snapshot is being put together, and whether something changed since that began.
    private var isSendingWhole = false
    private var mustSendAgain = false
    /// What the proxy serves; 0: nothing yet.
    private(set) var generation: UInt32 = 0
    private(set) var restarts: UInt64 = 0
    private var isDraining = false
    /// Where the proxy is to accept tunnels; `nil`: nobody knows yet.
    private var tunnels: [SocketAddress]?
    private var starts = 0
    private var shortLives = 0

    /// A guard of the proxy `program`.
    init(
        settings: Settings, program: String, records: @escaping @Sendable () throws -> Int32,
        use: @escaping @Sendable (_ listeners: [Int32]) throws -> Void, logger: Logger
    ) {
        self.settings = settings
        reserved = settings.ownPorts
        self.program = program
        self.records = records
        self.use = use
        self.logger = logger
    }

    /// Whether a proxy runs and is connected.
    var isUp: Bool { session != nil }

    /// The proxy's process; 0: none.
    var pid: Int32 { session?.process.pid ?? 0 }

    /// `running`, `starting`, `draining`, `down`.
    var stateName: String {
        guard session != nil else { return starts == 0 ? "starting" : "down" }
        return isDraining ? "draining" : generation == 0 ? "starting" : "running"
    }

    /// How many threads carry connections.
    var workerCount: Int { workers }

    /// Says who knows what is in force.
    func ask(_ whole: @escaping @Sendable () async -> Snapshot?) { self.whole = whole }

    /// Says who knows credentials and trust.
    func askProofs(_ proofs: @escaping @Sendable () async -> Credentials.Proofs?) { self.proofs = proofs }

    /// Tells the proxy what is different of credentials and trust, now or as soon as there is one.
    func publishProofs() async {
        guard let session else { return }
        do {
            try await sendProofs()
        } catch {
            giveUp(session, error)
        }
    }

    /// Makes what is in force what the proxy serves, now or as soon as there is one.
    func publish() async {
        guard let session else { return }
        do {
            try await sendWhole()
        } catch {
            giveUp(session, error)
        }
    }

    /// The same for a change of the snapshot `base` alone.
    func publish(_ delta: SnapshotDelta, generation: UInt32, base: UInt32) async {
        // Calls of two changes may overtake each other, and a snapshot that is being put together may be without this.
        if isSendingWhole { mustSendAgain = true }
        guard let session, told != 0, !isSendingWhole, generation > told else { return }
        let patch = SnapshotPatch(delta, generation: generation, base: base)
        // A proxy of version 2 is told whole what is on this node.
        guard told == base, session.speaks >= 3, let messages = patch.messages else { return await publish() }
        do {
            for message in messages { try session.send(message) }
            told = generation
        } catch {
            giveUp(session, error)
        }
    }

    /// Has the proxy refuse what other nodes want of this port, too.
    func reserve(_ port: UInt16) {
        guard reserved.insert(port).inserted, let session else { return }
        do { try tellPorts(session) } catch { giveUp(session, error) }
    }

    private func tellPorts(_ session: ProxySession) throws {
        // An older proxy knows the usual ones.
        if session.speaks >= 4 { try session.send(.reservedPorts(reserved.sorted())) }
    }

    /// The tunnels that the proxy has; none while there is no proxy.
    func tunnels() async throws -> [TunnelFact] {
        guard let session else { return [] }
        guard session.speaks >= 4 else {
            throw AdminRefusal(
                .unavailable, "the proxy at work is \(session.hello.program), which does not tell of its tunnels",
                hint: "it is an older one that carries on; `malla cleanup` and a new start of mallad replace it")
        }
        return try await withCheckedThrowingContinuation { waiter in
            let isFirst = inquiry == nil
            if isFirst {
                inquiries &+= 1
                inquiry = TunnelInquiry(number: inquiries)
            }
            inquiry?.add(waiter)
            guard isFirst else { return }
            let number = inquiries
            ask(.init(number: number))
            Task {
                try? await Task.sleep(for: .seconds(5))
                endInquiry(number, "the proxy did not tell of its tunnels within 5 s")
            }
        }
    }

    private func ask(_ question: Message.TunnelQuestion) {
        guard let session else { return endInquiry(question.number, "there is no proxy any more") }
        do {
            try session.send(.tunnelQuestion(question))
        } catch {
            endInquiry(question.number, "\(error)")
            giveUp(session, error)
        }
    }

    private func take(_ answer: Message.TunnelAnswer) {
        guard inquiry?.number == answer.number else { return }
        if let next = inquiry?.take(answer) { ask(next) } else { inquiry = nil }
    }

    private func endInquiry(_ number: UInt32, _ problem: String) {
        guard inquiry?.number == number else { return }
        inquiry?.end(.failure(AdminRefusal(.unavailable, problem)))
        inquiry = nil
    }

    private func giveUp(_ session: ProxySession, _ error: any Error) {
        logger.warning("the proxy did not take a snapshot", metadata: ["error": "\(error)"])
        session.hangUp()
    }

    private func sendWhole() async throws {
        guard !isSendingWhole else {
            mustSendAgain = true
            return
        }
        isSendingWhole = true
        defer { isSendingWhole = false }
        repeat {
            mustSendAgain = false
            if let snapshot = await whole() { try send(session?.speaks ?? 0 < 3 ? snapshot.ofThisNode : snapshot) }
        } while mustSendAgain
    }

    private func sendProofs() async throws {
        guard !isSendingProofs else {
            mustSendProofsAgain = true
            return
        }
        isSendingProofs = true
        defer { isSendingProofs = false }
        repeat {
            mustSendProofsAgain = false
            // An older proxy reaches no other node.
            guard let now = await proofs(), let session, session.speaks >= 3 else { return }
            for message in ledger.messages(for: now) { try session.send(message) }
        } while mustSendProofsAgain
    }

    private func send(_ snapshot: Snapshot) throws {
        guard let session, snapshot.generation >= told else { return }
        for message in try SnapshotMessages(snapshot).messages { try session.send(message) }
        (told, toldWhole) = (snapshot.generation, snapshot.generation)
    }

    /// Guards until the service group shuts down; then leaves the proxy at work, or, if so asked, ends it in peace.
    func run() async throws {
        await cancelWhenGracefulShutdown { await self.guardForever() }
        if settings.stopProxyOnExit {
            await drain()
        } else if let session {
            logger.info(
                "the proxy stays at work for the next daemon; malla cleanup ends it",
                metadata: ["pid": "\(session.process.pid)"])
        }
    }

    // MARK: Starting and watching

    private func guardForever() async {
        while !Task.isCancelled {
            do {
                let session = try await open()
                self.session = session
                isDraining = false
                generation = session.hello.generation
                (told, toldWhole) = (0, 0)
                ledger = ProofLedger()
                try await greet(session)
                replaceIfElsewhere(session)
                await listen(to: session)
            } catch is CancellationError {
                return
            } catch {
                logger.error("the proxy is not at work", metadata: ["error": "\(error)", "program": "\(program)"])
                shortLives += 1
            }
            if Task.isCancelled { return }
            session = nil
            endInquiry(inquiries, "the proxy has gone")
            generation = 0
            try? await Task.sleep(for: pause)
        }
    }

    /// Says where the proxy is to accept tunnels of other nodes. One that was started otherwise finishes what it carries,
    /// as far as it can in its grace time, and another one takes its place.
    func acceptTunnels(at tunnels: [SocketAddress]) {
        guard tunnels != self.tunnels else { return }
        self.tunnels = tunnels
        if let session { replaceIfElsewhere(session) }
    }

    private func replaceIfElsewhere(_ session: ProxySession) {
        guard let tunnels, !isDraining, session.process.tunnels != Set(tunnels.map(\.description)) else { return }
        logger.notice(
            "the proxy is replaced: it accepts tunnels elsewhere", metadata: ["pid": "\(session.process.pid)"])
        isDraining = true
        Task { await drain() }
    }

    private func open() async throws -> ProxySession {
        let settings = settings
        do {
            if let found = try await OwnThread.run({ try ProxySession.open(settings, process: nil) }) {
                logger.info(
                    "took over the running proxy",
                    metadata: ["pid": "\(found.process.pid)", "version": "\(found.hello.program)"])
                starts += 1
                return found
            }
        } catch {
            logger.warning("the proxy that listens cannot be taken over", metadata: ["error": "\(error)"])
        }
        let (program, workers, tunnels) = (program, workers, tunnels ?? [])
        let process = try await OwnThread.run {
            try ProxyProcess.start(settings, program: program, workers: workers, tunnels: tunnels)
        }
        if starts > 0 { restarts += 1 }
        starts += 1
        logger.info("started the proxy", metadata: ["pid": "\(process.pid)"])
        return try await connect(to: process)
    }

    private func connect(to process: ProxyProcess) async throws -> ProxySession {
        let settings = settings
        return try await OwnThread.run {
            do {
                if let session = try ProxySession.open(settings, process: process) { return session }
                throw SettingError("nobody listens on \(settings.proxySocket)")
            } catch {
                guard process.hasEnded(within: 1000) else { throw error }
                throw SettingError("it ended before it greeted: \(process.reap())")
            }
        }
    }

    private func greet(_ session: ProxySession) async throws {
        let map = try records()
        defer { close(map) }
        try session.send(.connections, cargo: map)
        try tellPorts(session)
        // First: a snapshot may have endpoints that are reached with these alone.
        try await sendProofs()
        try await sendWhole()
    }

    private func listen(to session: ProxySession) async {
        for await event in session.events {
            switch event {
            case .message(.applied(let generation)):
                self.generation = generation
                logger.debug("the proxy serves a snapshot", metadata: ["generation": "\(generation)"])
            case .message(.rejected(let rejection)):
                logger.error(
                    "the proxy rejected a snapshot",
                    metadata: ["generation": "\(rejection.generation)", "reason": "\(rejection.reason)"])
                // Whatever a change did not fit to, a whole snapshot does. One that was sent whole is not sent again.
                if rejection.generation == told, toldWhole != told { await publish() }
            case .message(.tunnels(let answer)): take(answer)
            case .message: break
            case .listeners(let listeners):
                do {
                    try use(listeners.all)
                } catch {
                    logger.error("network namespaces cannot reach the proxy", metadata: ["error": "\(error)"])
                }
            case .disconnected(let why):
                logger.warning("lost the connection to the proxy", metadata: ["error": "\(why)"])
                shortLives += 1
            case .ended(let how):
                let lived = ContinuousClock.now - session.process.since
                shortLives = lived < .seconds(5) ? shortLives + 1 : 0
                logger.warning("the proxy ended", metadata: ["pid": "\(session.process.pid)", "how": "\(how)"])
            }
        }
    }

    /// Nothing before the first restart, then 100 ms, doubling up to 10 s.
    private var pause: Duration {
        shortLives < 2 ? .zero : .milliseconds(min(10_000, 100 << min(shortLives - 2, 10)))
    }

    private func drain() async {
        guard let session else { return }
        isDraining = true
        do {
            try session.send(.drain(.init(grace: 5_000_000_000)))
        } catch {
            logger.warning("the proxy could not be asked to drain", metadata: ["error": "\(error)"])
        }
        let process = session.process
        let ended = try? await OwnThread.run { process.hasEnded(within: 7000) }
        if ended != true { process.kill() }
        logger.info("the proxy has ended", metadata: ["pid": "\(process.pid)"])
    }
}

// SPDX-License-Identifier: Apache-2.0

import MallaBalance
import MallaLink
import MallaModel
import MallaRouting
import Reactor

/// One thread of the data path with everything it uses: a loop, listeners, connections, timers, memory, counters.
///
/// Nothing in it is shared but the published view, which is looked at once per turn. A turn allocates nothing as long
/// as the pools suffice.
struct Worker: ~Copyable {
    var loop: EventLoop
    var timers: TimerWheel
    var connections: Slab<Connection>
    /// Clients that speak HTTP, what they ask for, and the connections to endpoints that carry it.
    var clients: Slab<Client>
    var exchanges: Slab<Exchange>
    var backends: Slab<Backend>
    var keptRequests: Slab<KeptRequest>
    /// What may be tried again, by service; made when a rule first asks for it.
    var budgets: [UInt64: RetryBudget] = [:]
    /// What may be sent once more because no endpoint has looked at it; of all services.
    var unseenBudget = RetryBudget()
    var pool = BackendPool()
    let exchangeLimit: Int
    /// Connections and requests of each source, so that none of them uses the worker up.
    var connectionLoads: SourceLoads
    var requestLoads: SourceLoads
    /// Connections and requests that one endpoint gets from this worker at a time.
    let endpointLimit: Int
    /// Where heads are read.
    let desk: UnsafeMutablePointer<ReadingDesk>
    var buffers: BufferPool
    var pipes: PipePool
    var counters: CounterTable
    var listener4: Listener?
    var listener6: Listener?
    /// Where other nodes connect.
    var tunnelListeners: [TunnelListener]
    /// Of this proxy: nobody is connected to them.
    let ownPorts: [UInt16]
    let tunnelTimes: Proxy.TunnelTimes
    /// Connections to and from other nodes, and what they carry.
    var tunnels: Slab<Tunnel>
    var passages: Slab<Passage>
    var tunnelPool: [TunnelKey: [Token]] = [:]
    var book: CredentialBook?
    /// Of this node: closed to tunnels, unless an endpoint has one of them at an address of its own.
    var reservedPorts = ReservedPorts()
    var handshakers: Handshakers?
    /// Handshakes of other nodes that are on their way.
    var shakingCount = 0
    /// Of connections from clients' addresses.
    let mint4: Mint?
    let mint6: Mint?
    /// What all connections read into.
    let scratch: UnsafeMutableRawPointer
    static let scratchSize = BufferPool.largest
    /// Where records are read to, and sealed into.
    let cipher: UnsafeMutableRawPointer
    static let cipherSize = 2 * BufferPool.largest

    var view: View?
    /// What its policies have said.
    let decisions = DecisionMemo()
    private var epoch: UInt64 = 0
    /// For each endpoint of the view its slot among the loads.
    var loadSlots: [Int] = []
    var loads = EndpointLoads()
    var candidates = Candidates()
    /// How often each of the view's ports was chosen for.
    var turns: [UInt64] = []
    var random: BalanceRandom

    /// Connections with more to do than one turn allows.
    var ready: [Token] = []
    /// Connections that the kernel decided by a newer snapshot than the view.
    var early: [Token] = []
    /// Clients and backends to be gone on with at once, and at the end of the turn; and the list that is gone over.
    var prompt: [Token] = []
    var batched: [Token] = []
    var driven: [Token] = []
    /// The list that is being gone over, swapped with `ready` so that neither allocates.
    private var resumed: [Token] = []
    var acceptTimer = Timer.none
    private(set) var isDraining = false
    private var ended = false

    let number: Int
    let log: Log
    private let publication: Publication<View>
    private let means: Publication<TunnelMeans>
    private var meansEpoch: UInt64 = 0
    private let mailbox: Mailbox<Command>
    private let reports: Mailbox<Report>

    /// What a worker is told.
    enum Command: Sendable {
        /// A view was published, or credentials were.
        case look
        /// A handshake is over.
        case shaken(Handshakers.Answer)
        /// Somebody wants to know of its tunnels.
        case tellTunnels
        /// Stop accepting; end when no connection is left or after the grace time.
        case drain(grace: Nanoseconds)
        /// End now.
        case stop
    }

    /// What a worker tells.
    enum Report: Sendable {
        /// It uses the view of this generation.
        case adopted(worker: Int, generation: UInt32)
        /// These are its tunnels.
        case tunnels(worker: Int, [TunnelFact])
        /// Its thread is about to end.
        case ended(worker: Int)
    }

    /// What a worker is made of.
    struct Parts: ~Copyable {
        let number: Int
        let counters: CounterTable
        let listener4: Listener?
        let listener6: Listener?
        let mint4: Mint?
        let mint6: Mint?
        let capacity: Int
        let tunnelListeners: [TunnelListener]
        let ownPorts: [UInt16]
        let tunnelTimes: Proxy.TunnelTimes
        let bufferLimit: Int
        let limits: Proxy.Limits
        let log: Log
        let publication: Publication<View>
        let means: Publication<TunnelMeans>
        let mailbox: Mailbox<Command>
        let reports: Mailbox<Report>
    }

    init(_ parts: consuming Parts) throws(SystemError) {
        // What can fail comes first, so that there is never half a worker.
        let loop = try EventLoop()
        let connections = try Slab<Connection>(capacity: parts.capacity)
        let clients = try Slab<Client>(capacity: parts.capacity)
        let exchanges = try Slab<Exchange>(capacity: parts.capacity * 4)
        let backends = try Slab<Backend>(capacity: parts.capacity)
        let tunnels = try Slab<Tunnel>(capacity: parts.capacity)
        let passages = try Slab<Passage>(capacity: parts.capacity * 2)
        keptRequests = try Slab<KeptRequest>(capacity: parts.capacity)
        self.tunnels = tunnels
        self.passages = passages
        tunnelListeners = parts.tunnelListeners
        ownPorts = parts.ownPorts
        tunnelTimes = parts.tunnelTimes
        self.clients = clients
        self.exchanges = exchanges
        self.backends = backends
        exchangeLimit = parts.capacity * 4
        connectionLoads = SourceLoads(places: parts.capacity, limit: parts.limits.source)
        requestLoads = SourceLoads(places: parts.capacity * 4, limit: parts.limits.source)
        endpointLimit = parts.limits.endpoint
        desk = .allocate(capacity: 1)
        desk.initialize(to: ReadingDesk(limits: Self.wireLimits, h2: Self.h2Limits))
        timers = TimerWheel(now: loop.now)
        random = BalanceRandom(seed: loop.now &+ UInt64(parts.number) &* 0x9e37_79b9_7f4a_7c15)
        self.loop = loop
        self.connections = connections
        buffers = BufferPool(limit: parts.bufferLimit)
        pipes = PipePool(limit: max(4, parts.bufferLimit / PipePool.capacity))
        scratch = .allocate(byteCount: Self.scratchSize + Self.openingSlack, alignment: 4096)
        cipher = .allocate(byteCount: Self.cipherSize, alignment: 4096)
        number = parts.number
        log = parts.log
        publication = parts.publication
        means = parts.means
        mailbox = parts.mailbox
        reports = parts.reports
        counters = parts.counters
        listener4 = parts.listener4
        listener6 = parts.listener6
        mint4 = parts.mint4
        mint6 = parts.mint6
        ready.reserveCapacity(256)
        resumed.reserveCapacity(256)
        prompt.reserveCapacity(256)
        batched.reserveCapacity(256)
        driven.reserveCapacity(256)
        _ = self.loop.add(level: mailbox.descriptor, token: Token(kind: Kind.mailbox, index: 0, generation: 0))
    }

    deinit {
        scratch.deallocate()
        cipher.deallocate()
        desk.deinitialize(count: 1)
        desk.deallocate()
    }

    /// Works until it is drained or stopped.
    mutating func run() {
        while !ended { turn() }
        for index in tunnels.places {
            if let (token, _) = tunnels.occupant(index) { drop(tunnel: token, Refusal(reason: .drained)) }
        }
        for index in connections.places {
            if let (token, connection) = connections.occupant(index) { cut(token, connection, .drained) }
        }
        reports.post(.ended(worker: number))
    }

    private mutating func turn() {
        let pause = ready.isEmpty ? timers.sleep(now: loop.now) : 0
        let count = loop.wait(milliseconds: pause)
        look()
        for index in 0..<count {
            handle(loop.event(index))
            goOnPrompt()
        }
        while let token = timers.fire(now: loop.now) { expired(token) }
        goOnPrompt()
        if !ready.isEmpty {
            swap(&ready, &resumed)
            goOn()
        }
        goOnBatched()
        if isDraining, connections.count == 0, passages.count == 0, shakingCount == 0 { ended = true }
    }

    private mutating func handle(_ event: Event) {
        switch event.token.kind {
        case Kind.client, Kind.upstream:
            guard let connection = connections.find(event.token) else { return }
            progress(event, connection)
        case Kind.backend:
            guard let backend = backends.find(event.token) else { return }
            progress(backend: event, backend)
        case Kind.tunnel:
            guard let tunnel = tunnels.find(event.token) else { return }
            progress(tunnel: event, tunnel)
        case Kind.passage:
            guard let passage = passages.find(event.token) else { return }
            progress(passage: event.token.index + 1, passage, event.readiness)
        case Kind.tunnelListener:
            acceptTunnels(listener: Int(event.token.index))
        case Kind.listener:
            acceptAll(listener: event.token.index)
        default:
            for command in mailbox.collect() { obey(command) }
        }
    }

    private mutating func expired(_ token: Token) {
        switch token.kind {
        case Kind.acceptAgain:
            acceptTimer = .none
            if !isDraining { watchListeners() }
        case Kind.drainDeadline:
            ended = true
        case Kind.drainClients:
            finishDrainClients()
        case Kind.backendTimer:
            guard let backend = backends.find(token) else { return }
            expired(backend: token.with(kind: 0), backend)
        case Kind.clientTimer:
            guard let client = clients.find(token) else { return }
            expired(client: token.with(kind: 0), client)
        case Kind.exchangeTimer:
            expired(exchange: token.with(kind: 0))
        case Kind.tunnelTimer:
            guard let tunnel = tunnels.find(token) else { return }
            expired(tunnel: token.with(kind: 0), tunnel)
        case Kind.passageTimer:
            guard let passage = passages.find(token) else { return }
            expired(passage: token.with(kind: 0), passage)
        case Kind.attemptTimer:
            expired(attempt: token.with(kind: 0))
        default:
            guard let connection = connections.find(token) else { return }
            connection.pointee.timer = .none
            timeout(token, connection)
        }
    }

    /// A turn for each of those in `resumed`. Those that become ready again meanwhile wait for the next turn.
    private mutating func goOn() {
        for index in resumed.indices {
            let token = resumed[index]
            if token.kind != 0 {
                goOn(token)
                goOnPrompt()
                continue
            }
            guard let connection = connections.find(token) else { continue }
            connection.pointee.queued = false
            if connection.pointee.phase == .relaying { relay(token, connection) }
        }
        resumed.removeAll(keepingCapacity: true)
    }

    private mutating func resumeEarly() {
        swap(&early, &resumed)
        for index in resumed.indices { attempt(resumed[index]) }
        resumed.removeAll(keepingCapacity: true)
    }

    private mutating func obey(_ command: Command) {
        switch command {
        case .look:
            // The turn's own look may have been before the publication that this message is about.
            look()
        case .shaken(let answer):
            shaken(answer)
        case .tellTunnels:
            reports.post(.tunnels(worker: number, tunnelFacts()))
        case .drain(let grace):
            guard !isDraining else { return }
            isDraining = true
            // Those that already wait were promised service; the port is then free for a successor.
            acceptAll(listener: 4)
            acceptAll(listener: 6)
            for index in tunnelListeners.indices { acceptTunnels(listener: index) }
            listener4 = nil
            listener6 = nil
            tunnelListeners = []
            drainClients()
            drainTunnels()
            _ = timers.set(
                deadline: loop.now + Self.goAwayPause, token: Token(kind: Kind.drainClients, index: 0, generation: 0))
            let deadline = loop.now.addingReportingOverflow(grace)
            guard !deadline.overflow else { return }
            _ = timers.set(
                deadline: deadline.partialValue, token: Token(kind: Kind.drainDeadline, index: 0, generation: 0))
        case .stop:
            ended = true
        }
    }

    /// Takes handshakers' answers to this worker; from any thread.
    var takesAnswers: @Sendable (Handshakers.Answer) -> Void {
        let mailbox = mailbox
        return { mailbox.post(.shaken($0)) }
    }

    private mutating func judge(under view: View) {
        revoke(under: view)
        revokeExchanges(under: view)
    }

    /// Takes what was published since the last look.
    private mutating func look() {
        if means.epoch != meansEpoch {
            let (published, epoch) = means.current
            meansEpoch = epoch
            if let published {
                reservedPorts = published.reserved
                adopt(published.book, published.handshakers)
            }
        }
        if publication.epoch != epoch { adopt() }
    }

    private mutating func adopt() {
        let (published, epoch) = publication.current
        self.epoch = epoch
        guard let published else { return }
        let former = view
        let isFirst = former == nil
        view = published
        decisions.forget()
        let endpoints = published.endpoints
        if let former, former.endpoints.line == endpoints.line {
            // Places are as before, and behind them is what came or changed: who may connect to that is judged anew.
            let added = former.endpoints.end..<endpoints.end
            loadSlots += loads.add(added.map { endpoints[$0].address }, at: loop.now)
            for place in added where former.endpoint(at: endpoints[place].address) == nil {
                loads.restart(loadSlots[place], at: loop.now)
            }
            if added.contains(where: { loads[loadSlots[$0]] > 0 }) { judge(under: published) }
        } else {
            loadSlots = loads.adopt((0..<endpoints.end).map { endpoints[$0].address }, at: loop.now)
            judge(under: published)
            adoptTurns(published)
            adoptBudgets(published)
        }
        adoptBackends(published)
        adoptTunnels(published)
        goOnPrompt()
        // Only now, so that the kernel never takes a proxy that knows nothing for one that is there.
        if isFirst, !isDraining { listen() }
        resumeEarly()
        reports.post(.adopted(worker: number, generation: published.generation))
    }
}

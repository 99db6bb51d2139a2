// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
public import MallaModel
public import Reactor

/// The proxy's side of the link to the daemon, and the main thread's loop: messages, signals, the workers' progress.
///
/// A daemon that goes away changes nothing; one that comes replaces the former. Only root and the proxy's own user
/// may speak.
public struct LinkServer: ~Copyable {
    /// How long connections may take to finish when SIGTERM or SIGINT comes.
    private let grace: Nanoseconds
    private let node: String
    private let program: String
    private let listener: Descriptor
    private let signals: Signals
    private let proxy: Proxy
    private let log: Log
    private var loop: EventLoop
    private var link: LocalSocket?
    private var decoder = FrameDecoder()
    private var assembler = SnapshotAssembler()
    private var patches = PatchAssembler()
    private var isGreeted = false
    /// Whether the daemon at the other end has got the listeners.
    private var hasListeners = false
    private var descriptors: [Int32] = []
    /// What the workers said of their tunnels, until the daemon has had all of it.
    private var tunnels: (question: UInt32, facts: [TunnelFact])?
    /// Whether the first snapshot has come into force.
    private var hasStarted = false
    private var isDraining = false
    private var ended = false

    private static let listenerToken = Token(kind: 0, index: 0, generation: 0)
    private static let signalToken = Token(kind: 1, index: 0, generation: 0)
    private static let progressToken = Token(kind: 2, index: 0, generation: 0)
    private static let linkToken = Token(kind: 3, index: 0, generation: 0)

    /// Serves the link on a listening Unix socket. `signals` must be SIGTERM and SIGINT.
    public init(
        proxy: Proxy, listener: consuming Descriptor, signals: consuming Signals, grace: Nanoseconds, node: String,
        program: String, log: Log
    ) throws(SystemError) {
        self.proxy = proxy
        self.grace = grace
        self.node = node
        self.program = program
        self.log = log
        loop = try EventLoop(capacity: 16)
        _ = loop.add(level: listener.number, token: Self.listenerToken)
        _ = loop.add(level: signals.descriptor, token: Self.signalToken)
        _ = loop.add(level: proxy.progressDescriptor, token: Self.progressToken)
        self.listener = listener
        self.signals = signals
    }

    deinit { descriptors.forEach { _ = close($0) } }

    /// Serves until the proxy has drained.
    public mutating func run() {
        while !ended {
            for index in 0..<loop.wait(milliseconds: -1) {
                switch loop.event(index).token {
                case Self.listenerToken: welcome()
                case Self.signalToken: signalled()
                case Self.progressToken: report()
                default: receive()
                }
            }
        }
        proxy.join()
    }

    private mutating func welcome() {
        guard let newcomer = LocalSocket(acceptingFrom: listener) else { return }
        guard newcomer.peerUser == 0 || newcomer.peerUser == getuid() else {
            log.write(
                .warning, "refused a link from a foreign user",
                [("uid", "\(newcomer.peerUser)"), ("pid", "\(newcomer.peerProcess)")])
            return
        }
        hangUp()
        log.write(.info, "a daemon has connected", [("pid", "\(newcomer.peerProcess)")])
        _ = loop.add(level: newcomer.descriptor, token: Self.linkToken)
        link = consume newcomer
        send(
            .hello(
                .init(program: program, node: node, pid: UInt32(getpid()), generation: proxy.generation)))
    }

    private mutating func hangUp() {
        link = nil
        decoder = FrameDecoder()
        assembler = SnapshotAssembler()
        patches = PatchAssembler()
        isGreeted = false
        hasListeners = false
        tunnels = nil
        descriptors.forEach { _ = close($0) }
        descriptors = []
    }

    private mutating func receive() {
        guard let received = link?.receive() else { return }
        switch received {
        case .nothing:
            return
        case .end:
            log.write(.info, "the daemon has gone; serving on with what is known", [])
            hangUp()
        case .bytes(let bytes, let cargo):
            descriptors += cargo
            decoder.append(bytes)
            do throws(LinkError) {
                while let message = try decoder.next() { try take(message) }
            } catch {
                log.write(.warning, "closed the link after an invalid message", [("error", error.description)])
                hangUp()
            }
        }
    }

    private mutating func take(_ message: Message) throws(LinkError) {
        if case .hello(let hello) = message {
            guard Link.common(with: hello) != nil else {
                throw LinkError(
                    "\(hello.program) speaks versions \(hello.oldest) to \(hello.newest), this proxy \(Link.version)")
            }
            isGreeted = true
            sendListeners()
            return
        }
        guard isGreeted else { throw LinkError("a message came before the greeting") }
        switch message {
        case .connections:
            guard !descriptors.isEmpty else { throw LinkError("the connection records came without a descriptor") }
            proxy.use(try ConnectionRecords(map: Descriptor(owning: descriptors.removeFirst())))
        case .drain(let drain):
            log.write(.info, "draining", [("grace_ms", "\(drain.grace / 1_000_000)")])
            proxy.drain(grace: drain.grace)
        case .patch(let part):
            guard let patch = try patches.take(part) else { return }
            do throws(LinkError) {
                try proxy.apply(patch)
            } catch {
                reject(patch.generation, error)
            }
        case .credential(let credential): use("credential", of: credential.identity) { try proxy.use(credential) }
        case .withdrawal(let identity): proxy.withdraw(identity)
        case .bundles(let bundles): use("roots", of: nil) { try proxy.use(bundles) }
        case .reservedPorts(let ports): proxy.reserve(ports)
        case .tunnelQuestion(let question):
            if question.from == 0 { proxy.askTunnels(question.number) } else { tellTunnels(question) }
        default:
            try takePart(message)
        }
    }

    /// What cannot be used changes nothing: the former stays, for as long as it lasts.
    private func use(_ what: String, of identity: Identity?, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            var fields = [("what", what), ("error", "\(error)")]
            if let identity { fields.append(("identity", identity.spiffeID)) }
            log.write(.error, "a credential cannot be used", fields)
        }
    }

    private mutating func takePart(_ message: Message) throws(LinkError) {
        guard let snapshot = try assembler.take(message) else { return }
        do throws(LinkError) {
            try proxy.apply(snapshot)
        } catch {
            reject(snapshot.generation, error)
        }
    }

    private mutating func reject(_ generation: UInt32, _ error: LinkError) {
        log.write(
            .warning, "rejected a snapshot", [("generation", "\(generation)"), ("error", error.description)])
        send(.rejected(.init(generation: generation, reason: error.description)))
    }

    private mutating func report() {
        for progress in proxy.progress() {
            switch progress {
            case .applied(let generation):
                log.write(.info, "snapshot in force", [("generation", "\(generation)")])
                sendListeners()
                send(.applied(generation: generation))
                // Only now: nobody waits for the proxy any more.
                if !hasStarted { StartMemory.release() }
                hasStarted = true
            case .tunnels(let question, let facts):
                tunnels = (question, facts)
                tellTunnels(.init(number: question))
            case .ended:
                log.write(.info, "drained", [])
                ended = true
            }
        }
    }

    /// Says some of what the workers have said.
    private mutating func tellTunnels(_ question: Message.TunnelQuestion) {
        guard let (number, facts) = tunnels, number == question.number else { return }
        let rest = facts.dropFirst(Int(clamping: question.from))
        if rest.count <= Message.TunnelAnswer.most { tunnels = nil }
        send(
            .tunnels(
                .init(
                    number: number, total: UInt32(clamping: facts.count),
                    tunnels: Array(rest.prefix(Message.TunnelAnswer.most)))))
    }

    private mutating func signalled() {
        while let number = signals.next() {
            if isDraining {
                log.write(.info, "stopping at once", [("signal", "\(number)")])
                proxy.stop()
            } else {
                isDraining = true
                log.write(.info, "draining", [("signal", "\(number)"), ("grace_ms", "\(grace / 1_000_000)")])
                proxy.drain(grace: grace)
            }
        }
    }

    /// Hands the daemon the listeners, once they listen, as many at a time as one frame carries.
    private mutating func sendListeners() {
        guard isGreeted, !hasListeners, proxy.generation > 0 else { return }
        hasListeners = true
        let most = 16
        let sent = proxy.withListeners { listeners in
            stride(from: 0, to: listeners.count, by: most).allSatisfy { start in
                let part = Array(listeners[start..<min(start + most, listeners.count)])
                let message = Message.listeners(count: UInt32(part.count))
                return link?.send(message.encoded(), descriptors: part) ?? true
            }
        }
        if !sent {
            log.write(.warning, "closed a link that does not take listeners", [])
            hangUp()
        }
    }

    private mutating func send(_ message: Message) {
        guard let sent = link?.send(message.encoded()) else { return }
        if !sent {
            log.write(.warning, "closed a link that does not take messages", [])
            hangUp()
        }
    }
}

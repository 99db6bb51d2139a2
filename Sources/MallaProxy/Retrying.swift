// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import MallaRouting
import Reactor

// Requests that a rule lets be tried again (Gateway API, HTTPRouteRetry): after a status that it names, or after a
// failure of the connection, on another endpoint if there is one, and inside of the service's budget. Nothing of the
// failed response has reached the client. What may have been begun is tried again only where doing it twice does no harm:
// idempotent methods, and requests with an Idempotency-Key.

extension Worker {
    /// What is waited for before a retry where the rule does not say, and the most that waiting grows to, times that.
    private static var backoff: Nanoseconds { 25_000_000 }
    private static var longestBackoff: Nanoseconds { 10 }

    /// An endpoint has failed with a status. True: the request will be tried again, and the response is not wanted.
    mutating func triesAgain(_ place: UInt32, status: UInt16) -> Bool {
        guard let exchange = exchange(place), let kept = kept(exchange), kept.pointee.isRepeatable,
            let retry = table(of: exchange.pointee.matched)?.rules[Int(exchange.pointee.matched.rule)].retry,
            retry.codes.contains(status)
        else { return false }
        return triesAgain(place, exchange, retry, .noResponse)
    }

    /// An exchange cannot go on. True: the request will be tried again.
    mutating func triesAgain(_ place: UInt32, after refusal: Refusal) -> Bool {
        guard let exchange = exchange(place), let kept = kept(exchange) else { return false }
        if let retry = table(of: exchange.pointee.matched)?.rules[Int(exchange.pointee.matched.rule)].retry {
            let isTriedAgain = refusal.isBeforeRequest || kept.pointee.isRepeatable && refusal.isEndpointFailure
            return isTriedAgain && triesAgain(place, exchange, retry, refusal.reason)
        }
        // No rule is needed for what nobody has looked at.
        return refusal.isUnseen && triesAgain(place, exchange, Self.unseenRetry, refusal.reason, isRule: false)
    }

    private mutating func triesAgain(
        _ place: UInt32, _ exchange: UnsafeMutablePointer<Exchange>, _ retry: RouteRetry, _ reason: Reason,
        isRule: Bool = true
    ) -> Bool {
        // 1. Nothing of a response is with the client, and there is a client.
        guard exchange.pointee.state.isDisjoint(with: [.responseBegun, .tunnel, .shadow]),
            clients.find(exchange.pointee.client) != nil, let kept = kept(exchange)
        else { return false }
        // 2. Its own bound, then that of all of the service's requests.
        guard kept.pointee.retries < retry.attempts, !isDraining else { return false }
        guard isRule ? withdraw(for: exchange) : unseenBudget.withdraw(at: loop.now) else {
            count(.overBudget, exchange)
            return false
        }
        count(.retry, exchange)
        kept.pointee.retries += 1
        kept.pointee.passed = 0
        kept.pointee.trials.begin()
        if let view { kept.pointee.trials.look(at: view.generation) }
        if let backend = backends.find(exchange.pointee.backend) {
            kept.pointee.trials.fail(slot: backend.pointee.slot, reason)
        }
        leaveBackend(place, exchange)
        exchange.pointee.state.remove([.requestEnded, .responseOpen, .responseRead])
        exchange.pointee.state.insert([.replaying, .waiting])
        exchange.pointee.requestCoding = .none
        exchange.pointee.grpcStatus = 255
        release(&exchange.pointee.response)
        exchange.pointee.response = Held()
        setAttemptTimer(place, exchange, pause(retry, kept.pointee.retries))
        return true
    }

    /// Time between attempts: what the rule says at least, growing, and never the same for all.
    private mutating func pause(_ retry: RouteRetry, _ retries: UInt32) -> Nanoseconds {
        let step = retry.backoff ?? Self.backoff
        let factor = min(Self.longestBackoff, 1 << Nanoseconds(min(retries - 1, 8)))
        let (longest, overflow) = step.multipliedReportingOverflow(by: factor)
        guard !overflow else { return step }
        // A rule's own is the least; where none is said, nobody waits for longer than is good.
        let spread = retry.backoff == nil ? longest : longest / 2
        let drawn = spread == 0 ? 0 : random.next() % spread
        return retry.backoff == nil ? drawn : longest &+ drawn
    }

    private mutating func setAttemptTimer(
        _ place: UInt32, _ exchange: UnsafeMutablePointer<Exchange>, _ time: Nanoseconds
    ) {
        timers.cancel(exchange.pointee.attempt)
        exchange.pointee.attempt = .none
        guard let token = exchanges.occupant(Int(place) - 1)?.token else { return }
        let deadline = loop.now.addingReportingOverflow(max(1, time))
        exchange.pointee.attempt = timers.set(
            deadline: deadline.overflow ? .max : deadline.partialValue, token: token.with(kind: Kind.attemptTimer))
    }

    /// Bounds one attempt, where the rule says so and another may follow.
    mutating func boundAttempt(_ place: UInt32, _ exchange: UnsafeMutablePointer<Exchange>) {
        guard exchange.pointee.kept != 0, let table = table(of: exchange.pointee.matched) else { return }
        let rule = Int(exchange.pointee.matched.rule)
        guard table.rules[rule].retry != nil, let time = table.rules[rule].backendTimeout, time > 0 else { return }
        setAttemptTimer(place, exchange, time)
    }

    /// Time has come for the next attempt, or the present one took too long.
    mutating func expired(attempt token: Token) {
        guard let exchange = exchanges.find(token) else { return }
        let place = token.index + 1
        exchange.pointee.attempt = .none
        guard exchange.pointee.state.contains(.waiting) else {
            // A response that has begun is bounded by the time of the whole.
            guard !exchange.pointee.state.contains(.responseBegun) else { return }
            end(place, Refusal(reason: .requestTimeout, isFromEndpoint: true), byClient: false)
            return
        }
        exchange.pointee.state.remove(.waiting)
        do throws(Refusal) { try resend(token, exchange) } catch { end(place, error, byClient: false) }
    }

    /// Sends what was kept to an endpoint of the same backend of the rule.
    private mutating func resend(_ token: Token, _ exchange: UnsafeMutablePointer<Exchange>) throws(Refusal) {
        guard let view else { throw Refusal(reason: .noSnapshot) }
        guard let client = clients.find(exchange.pointee.client), let kept = kept(exchange) else {
            throw Refusal(reason: .clientReset)
        }
        let identified = try identify(client.pointee.captured)
        let picked = try pickAgain(
            try routed(identified, exchange.pointee.matched, in: view), &kept.pointee.trials)
        try send(kept, to: picked, token, exchange, client.pointee.captured)
    }

    /// Where the backend that a rule has drawn leads now; without a rule the service itself.
    private func routed(
        _ identified: Identified, _ matched: MatchedRule, in view: View
    ) throws(Refusal) -> Identified {
        guard matched.isSome else { return identified }
        guard let port = view.routes.port(of: matched) else { throw Refusal(reason: .noBackend) }
        return Identified(identified, to: port)
    }

    /// An endpoint that has not failed yet, or any when all have.
    private mutating func pickAgain(_ identified: Identified, _ trials: inout Trials) throws(Refusal) -> Picked {
        let key = Self.key(of: identified.captured)
        do throws(Refusal) { return try pick(try permit(identified, sparing: &trials), key: key) } catch {
            guard trials.count > 0 else { throw error }
        }
        trials = Trials()
        return try pick(try permit(identified, sparing: &trials), key: key)
    }

    /// Writes a kept request to a backend of what was picked, and its content as far as there is room.
    mutating func send(
        _ kept: UnsafeMutablePointer<KeptRequest>, to picked: Picked, _ token: Token,
        _ exchange: UnsafeMutablePointer<Exchange>, _ captured: Captured
    ) throws(Refusal) {
        let recalled = kept.pointee.isBlock ? nil : recall(kept)
        guard let view, recalled != nil || kept.pointee.isBlock else {
            loads.end(picked.slot)
            throw Refusal(reason: .noSnapshot)
        }
        let port = view.ports[picked.permitted.identified.port]
        let isHTTP2 =
            port.application == .http2 || port.application == .unknown && exchange.pointee.version == .http2
        guard isHTTP2 || recalled != nil else {
            // The service has changed its protocol meanwhile.
            loads.end(picked.slot)
            throw Refusal(reason: Reason(rawValue: WireReason.h2PeerRefused.rawValue), status: 503)
        }
        guard let backendToken = backend(for: picked, captured: captured, isHTTP2: isHTTP2, in: view),
            let backend = backends.find(backendToken)
        else {
            loads.end(picked.slot)
            throw Refusal(reason: .connectionLimit)
        }
        exchange.pointee.sentAt = loop.now
        exchange.pointee.target = picked.endpoint.identity
        exchange.pointee.idleTimeout = port.idleTimeout
        attach(token, exchange, backendToken, backend)
        let place = token.index + 1
        boundAttempt(place, exchange)
        let isWritten =
            if let (head, bytes) = recalled {
                writeRequest(head, bytes.span, token, exchange, backend)
            } else { repeatBlock(kept, token, exchange, backend) }
        guard isWritten else { throw Refusal(reason: .overloaded) }
        if backend.pointee.phase == .connecting, backend.pointee.wire.socket < 0 {
            dial(backendToken, backend, picked)
        } else {
            wake(backend: backendToken)
        }
        replay(place)
    }

    // MARK: Budgets

    /// Gives up the budgets of services that a view does not have: they begin anew should they come again.
    mutating func adoptBudgets(_ view: View) {
        guard !budgets.isEmpty else { return }
        var services: Set<UInt32> = []
        for port in view.ports { services.insert(port.service) }
        budgets = budgets.filter { services.contains(UInt32(truncatingIfNeeded: $0.key)) }
    }

    private func budgetKey(_ exchange: UnsafeMutablePointer<Exchange>) -> UInt64 {
        UInt64(exchange.pointee.service)
    }

    /// A request that may be tried again is begun.
    mutating func deposit(for exchange: UnsafeMutablePointer<Exchange>) {
        budgets[budgetKey(exchange), default: RetryBudget()].deposit(at: loop.now)
    }

    private mutating func withdraw(for exchange: UnsafeMutablePointer<Exchange>) -> Bool {
        budgets[budgetKey(exchange), default: RetryBudget()].withdraw(at: loop.now)
    }

    /// Counts what was done with a kept request.
    mutating func count(_ kind: ExtraAttempt, _ exchange: UnsafeMutablePointer<Exchange>) {
        let key = CounterKey(
            source: exchange.pointee.source, target: exchange.pointee.target, service: exchange.pointee.service,
            reason: 0, kind: .attempts)
        counters.cell(key).attempted(kind)
    }
}

extension Refusal {
    /// Whether nothing of the request can have reached the endpoint, so that any request may be sent again.
    fileprivate var isBeforeRequest: Bool {
        switch reason {
        case .connectRefused, .connectTimeout, .connectUnreachable, .noSourcePort: true
        default: isUnseen
        }
    }

    /// Whether it is the endpoint or the way to it that failed, so that another attempt may fare better.
    fileprivate var isEndpointFailure: Bool {
        if isFromEndpoint { return true }
        return switch reason {
        case .connectRefused, .connectTimeout, .connectUnreachable, .noSourcePort, .upstreamReset, .noResponse,
            .responseCut:
            true
        default: false
        }
    }
}

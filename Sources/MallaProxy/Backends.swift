// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaBalance
import MallaModel
import Reactor

// Connections to endpoints that carry requests: found in the pool or made, tried elsewhere as long as nothing was sent,
// given back or closed.

extension Worker {
    /// How long a backend without requests is kept.
    private static var idleTime: UInt64 { 30_000_000_000 }

    /// A backend that can take a request for what was picked: one from the pool, or a new one that is to be dialled.
    /// `nil` when the worker has no place for another.
    mutating func backend(for picked: Picked, captured: Captured, isHTTP2: Bool, in view: View) -> Token? {
        let key = PoolKey(
            endpoint: picked.endpoint.address, target: picked.endpoint.identity, source: captured.source,
            from: captured.from, isHTTP2: isHTTP2)
        let port = picked.permitted.identified.port
        let captured = captured.at(service: view.ports[port].service, port: view.ports[port].port)
        let headRoom = Self.headRoom
        let found = pool.first(key, in: backends) { backend in
            if backend.pointee.wire.state.contains(.ending) { return false }
            guard let h2 = backend.pointee.h2 else { return backend.pointee.h1.isReusable }
            // One that is still being made may end up at another endpoint: of the same port, for all of its requests.
            let own = backend.pointee.captured
            guard backend.pointee.phase == .open || own.service == captured.service && own.port == captured.port else {
                return false
            }
            return h2.pointee.canOpen && BufferPool.largest - Int(backend.pointee.wire.outputCount) >= headRoom
        }
        if let found, let backend = backends.find(found) {
            if !isHTTP2 {
                pool.remove(found, in: &backends)
                backend.pointee.captured = captured
                backend.pointee.trials = Trials()
            }
            backend.pointee.slot = Int32(picked.slot)
            return found
        }
        guard
            let token = backends.insert(
                Backend(key: key, slot: Int32(picked.slot), captured: captured, now: loop.now)),
            let backend = backends.find(token)
        else { return nil }
        if isHTTP2 {
            startHTTP2(backend)
            pool.add(token, in: &backends)
        }
        return token
    }

    /// Begins to connect a backend to what was picked.
    mutating func dial(_ token: Token, _ backend: UnsafeMutablePointer<Backend>, _ picked: Picked) {
        guard let view else { return }
        let port = view.ports[picked.permitted.identified.port]
        backend.pointee.trials.begin()
        backend.pointee.slot = Int32(picked.slot)
        if picked.endpoint.node != 0 {
            do throws(Refusal) {
                let socket = try tunnel(to: picked.endpoint, for: backend.pointee.captured, backend: token)
                backend.pointee.wire.socket = socket
                backend.pointee.wire.state = []
                bound(token, backend, port.connectTimeout)
            } catch {
                redial(token, backend, error.reason)
            }
            return
        }
        switch reach(picked.endpoint, for: backend.pointee.captured) {
        case .connected(let socket):
            guard register(socket, token, backend) else { return }
            connected(token, backend)
        case .pending(let socket):
            guard register(socket, token, backend) else { return }
            bound(token, backend, port.connectTimeout)
        case .failed(let code):
            redial(token, backend, Self.reason(of: code))
        }
    }

    private mutating func bound(_ token: Token, _ backend: UnsafeMutablePointer<Backend>, _ timeout: Nanoseconds) {
        timers.cancel(backend.pointee.timer)
        let deadline = loop.now.addingReportingOverflow(max(1, timeout))
        backend.pointee.timer = timers.set(
            deadline: deadline.overflow ? .max : deadline.partialValue, token: token.with(kind: Kind.backendTimer))
    }

    /// A backend's passage stands.
    mutating func reached(_ token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        let socket = backend.pointee.wire.socket
        guard backend.pointee.phase == .connecting, socket >= 0, register(socket, token, backend) else { return }
        connected(token, backend)
    }

    private mutating func register(
        _ socket: Int32, _ token: Token, _ backend: UnsafeMutablePointer<Backend>
    ) -> Bool {
        backend.pointee.wire.socket = socket
        backend.pointee.wire.state = []
        guard loop.add(socket: socket, token: token.with(kind: Kind.backend)) == 0 else {
            redial(token, backend, .outOfDescriptors)
            return false
        }
        return true
    }

    private mutating func connected(_ token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        timers.cancel(backend.pointee.timer)
        backend.pointee.phase = .open
        backend.pointee.wire.state.insert(.writable)
        backend.pointee.active = loop.now
        backend.pointee.timer = timers.set(
            deadline: loop.now + Self.idleTime, token: token.with(kind: Kind.backendTimer))
        wake(backend: token)
    }

    /// The connect failed, or the connection was gone before a byte of its requests had left: another endpoint, as long
    /// as there are any and the bound is not reached. What was written goes along.
    mutating func redial(_ token: Token, _ backend: UnsafeMutablePointer<Backend>, _ reason: Reason) {
        timers.cancel(backend.pointee.timer)
        backend.pointee.timer = .none
        if backend.pointee.wire.socket >= 0 { Socket.close(backend.pointee.wire.socket) }
        backend.pointee.wire.socket = -1
        backend.pointee.phase = .connecting
        backend.pointee.trials.fail(slot: backend.pointee.slot, reason)
        let count = backend.pointee.exchanges
        do throws(Refusal) {
            // Without descriptors the next attempt would fail in the same way.
            guard reason != .outOfDescriptors, !backend.pointee.trials.isExhausted, count > 0 else {
                throw Refusal(reason: reason)
            }
            let identified = try identify(backend.pointee.captured)
            let permitted = try permit(identified, sparing: &backend.pointee.trials)
            let picked = try pick(permitted, key: Self.key(of: backend.pointee.captured))
            for _ in 0..<count { loads.end(Int(backend.pointee.slot)) }
            for _ in 1..<count { loads.begin(picked.slot) }
            let wasPooled = backend.pointee.isPooled
            pool.remove(token, in: &backends)
            backend.pointee.key.endpoint = picked.endpoint.address
            backend.pointee.key.target = picked.endpoint.identity
            if wasPooled { pool.add(token, in: &backends) }
            retarget(backend, picked.endpoint.identity)
            dial(token, backend, picked)
        } catch {
            lose(backend: token, error)
        }
    }

    /// Makes a backend of a connection that stands already.
    @discardableResult
    mutating func adopt(_ socket: Int32, _ key: PoolKey, slot: Int32, _ captured: Captured) -> Token? {
        loop.remove(socket)
        guard let token = backends.insert(Backend(key: key, slot: slot, captured: captured, now: loop.now)),
            let backend = backends.find(token)
        else {
            Socket.close(socket)
            return nil
        }
        backend.pointee.wire.socket = socket
        guard loop.add(socket: socket, token: token.with(kind: Kind.backend)) == 0 else {
            close(backend: token, reset: false)
            return nil
        }
        if key.isHTTP2 { startHTTP2(backend) }
        connected(token, backend)
        pool.add(token, in: &backends)
        return token
    }

    /// An edge of a backend's socket.
    mutating func progress(backend event: Event, _ backend: UnsafeMutablePointer<Backend>) {
        let token = event.token.with(kind: 0)
        let readiness = event.readiness
        Self.note(readiness, Self.wire(of: backend))
        guard backend.pointee.phase == .connecting else {
            wake(backend: token)
            return
        }
        guard !readiness.isDisjoint(with: [.writable, .failed]) else { return }
        // A socket that is writable and has not failed is connected; asking it would be one more call.
        let hasFailed = !readiness.isDisjoint(with: .failed)
        let code = hasFailed ? Socket.error(of: backend.pointee.wire.socket) : 0
        if code == 0 { connected(token, backend) } else { redial(token, backend, Self.reason(of: code)) }
    }

    /// Time has come for a backend: it did not connect, or has been idle.
    mutating func expired(backend token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        backend.pointee.timer = .none
        if backend.pointee.phase == .connecting {
            redial(token, backend, .connectTimeout)
            return
        }
        let isIdle = backend.pointee.exchanges == 0
        guard !isIdle || loop.now &- backend.pointee.active < Self.idleTime else {
            close(backend: token, reset: false)
            return
        }
        let from = isIdle ? backend.pointee.active : loop.now
        backend.pointee.timer = timers.set(deadline: from + Self.idleTime, token: token.with(kind: Kind.backendTimer))
    }

    /// An exchange is over as far as its backend is concerned: keeps the backend for the next one, or closes it.
    mutating func giveBack(_ token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        backend.pointee.active = loop.now
        if backend.pointee.h2 != nil {
            if backend.pointee.phase == .leaving, backend.pointee.exchanges == 0 {
                if backend.pointee.wire.outputCount == 0 {
                    close(backend: token, reset: false)
                } else {
                    wake(backend: token)
                }
            }
            return
        }
        let isFit =
            backend.pointee.h1.isReusable && backend.pointee.phase == .open && backend.pointee.wire.inputCount == 0
            && backend.pointee.wire.outputCount == 0
            && backend.pointee.wire.state.isDisjoint(with: [.ended, .ending])
        if isFit, !isDraining {
            pool.add(token, in: &backends)
        } else {
            close(backend: token, reset: !backend.pointee.h1.isReusable)
        }
    }

    /// The backend is gone or cannot be trusted: all that it carries fails.
    mutating func lose(backend token: Token, _ refusal: Refusal) {
        guard let backend = backends.find(token) else { return }
        backend.pointee.phase = .leaving
        pool.remove(token, in: &backends)
        while backend.pointee.exchange != 0 {
            let place = backend.pointee.exchange
            end(place, refusal, byClient: false)
            // Ending unlinks; one that did not would be ended for ever.
            guard backends.find(token) != nil, backend.pointee.exchange != place else { break }
        }
        close(backend: token, reset: true)
    }

    /// Closes a backend that carries nothing.
    mutating func close(backend token: Token, reset: Bool) {
        guard let backend = backends.find(token) else { return }
        pool.remove(token, in: &backends)
        timers.cancel(backend.pointee.timer)
        let wire = Self.wire(of: backend)
        forgetInput(wire)
        forgetOutput(wire)
        if wire.pointee.socket >= 0 {
            if reset { Socket.reset(wire.pointee.socket) } else { Socket.close(wire.pointee.socket) }
        }
        freeHTTP2(&backend.pointee.h2)
        backends.remove(token)
    }

    /// Lets go of what a new view does not have: idle backends of endpoints that are gone, or are somebody else's now.
    mutating func adoptBackends(_ view: View) {
        for place in backends.places {
            guard let (token, backend) = backends.occupant(place) else { continue }
            let endpoint = view.endpoint(at: backend.pointee.key.endpoint)
            if endpoint?.identity == backend.pointee.key.target { continue }
            if backend.pointee.exchanges == 0 {
                close(backend: token, reset: false)
            } else {
                backend.pointee.phase = backend.pointee.phase == .open ? .leaving : backend.pointee.phase
                pool.remove(token, in: &backends)
            }
        }
    }
}

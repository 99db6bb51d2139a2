// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaBalance
import MallaModel
import Reactor

// Requests on their way: Identified → Routed → Permitted → Picked → forwarded. Each request goes its own way: the
// requests of one connection are spread over endpoints, and policy is asked for each.

extension Worker {
    /// Bytes of an output that content leaves free, so that trailers and the end of a message always fit.
    static var contentReserve: Int { 10 << 10 }
    /// Bytes of an output without which no HTTP/2 frame is read: replies, window updates and answers of this side's own
    /// always fit.
    static var replyReserve: Int { 6 << 10 }
    /// What is read at a time while buffers are used up: enough to go on with, little to hold.
    private static var thinPortion: Int { 10 << 10 }

    /// A request's head was read: finds its way and passes it on, or answers it.
    mutating func begin(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ token: Token, _ client: UnsafeMutablePointer<Client>,
        stream: H2StreamHandle?
    ) {
        do throws(Refusal) {
            // Held once for the whole request; what is called is lent it.
            guard let view else { throw Refusal(reason: .noSnapshot) }
            guard head.method != .connect else { throw Refusal(reason: .connectMethod) }
            // Shed before anything is done for it: who comes later is served again.
            guard !buffers.isTight else { throw Refusal(reason: .overloaded) }
            guard requestLoads.admits(client.pointee.captured.source) else {
                throw Refusal(reason: requestLoads.hasRoom ? .sourceLimit : .overloaded)
            }
            if let reason = desk.pointee.normalise(head, of: bytes) {
                throw Refusal(reason: Reason(rawValue: reason.rawValue))
            }
            let (identified, matched) = try route(head, bytes, client.pointee.captured, in: view)
            var trials = Trials()
            let permitted = try permit(identified, sparing: &trials, in: view)
            let key = key(of: client.pointee.captured, at: identified.port, bytes, in: view)
            let picked = try pick(permitted, key: key, in: view)
            guard exchanges.count < exchangeLimit else {
                loads.end(picked.slot)
                throw Refusal(reason: .overloaded)
            }
            try forward(head, bytes, picked, matched, trials, token, client, stream, in: view)
        } catch {
            refuse(head, bytes, error, token, client, stream)
        }
    }

    /// The service's port that takes the request: the one that was captured, or what a route says.
    private mutating func route(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ captured: Captured, in view: View
    ) throws(Refusal) -> (Identified, MatchedRule) {
        let identified = try identify(captured, in: view)
        let routed = Routing.route(
            head, desk.pointee.fields, of: bytes, path: desk.pointee.pathBytes.span, at: identified.port,
            for: captured.source, draw: random.next(), in: view)
        switch routed.outcome {
        case .forward(let port):
            return (Identified(identified, routed: routed, to: port), routed.rule)
        case .redirect:
            throw Refusal(reason: .redirected, redirect: routed.rule)
        case .answer(let status, let reason):
            throw Refusal(reason: reason, status: status)
        }
    }

    /// Makes the exchange, finds it a backend and writes the head to it.
    private mutating func forward(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ picked: Picked, _ matched: MatchedRule, _ trials: Trials,
        _ token: Token, _ client: UnsafeMutablePointer<Client>, _ stream: H2StreamHandle?, in view: View
    ) throws(Refusal) {
        let captured = client.pointee.captured
        // A port as a whole is not taken out: that would count references to its endpoints.
        let port = picked.permitted.identified.port
        let application = view.ports[port].application
        // What asks for another protocol goes by HTTP/1.1, where that is done by Upgrade.
        let isHTTP2 =
            (application == .http2 || application == .unknown && stream != nil)
            && !head.flags.contains(.upgrade)
        guard let backendToken = backend(for: picked, captured: captured, isHTTP2: isHTTP2, in: view),
            let backend = backends.find(backendToken)
        else {
            loads.end(picked.slot)
            throw Refusal(reason: .connectionLimit)
        }
        var exchange = Exchange(
            client: token, head: head, source: captured.source, from: captured.from,
            service: captured.service, now: loop.now)
        exchange.clientStream = stream
        exchange.target = picked.endpoint.identity
        exchange.idleTimeout = view.ports[port].idleTimeout
        if view.ports[port].balancing.algorithm == .peakEWMA { exchange.state.insert(.timed) }
        exchange.matched = matched
        if head.framing == .open { exchange.state.insert(.requestOpen) }
        if isGRPC(bytes) { exchange.state.insert(.grpc) }
        guard let exchangeToken = exchanges.insert(exchange), let place = exchanges.find(exchangeToken) else {
            loads.end(picked.slot)
            throw Refusal(reason: .overloaded)
        }
        requestLoads.begin(captured.source)
        if backend.pointee.phase == .connecting, backend.pointee.wire.socket < 0 { backend.pointee.trials = trials }
        attach(exchangeToken, place, to: client)
        watch(token, client, place)
        attach(exchangeToken, place, backendToken, backend)
        if matched.isSome { keep(head, bytes, place) }
        setTimeout(exchangeToken, place, picked.permitted.identified.requestTimeout)
        boundAttempt(exchangeToken.index + 1, place)
        guard writeRequest(head, bytes, exchangeToken, place, backend) else {
            end(exchangeToken.index + 1, Refusal(reason: .overloaded), byClient: false)
            return
        }
        if backend.pointee.phase == .connecting, backend.pointee.wire.socket < 0 {
            dial(backendToken, backend, picked)
        } else {
            wake(backend: backendToken)
        }
    }

    /// Writes a request's head; every change that a route makes in it belongs here.
    mutating func writeRequest(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ token: Token, _ exchange: UnsafeMutablePointer<Exchange>,
        _ backend: UnsafeMutablePointer<Backend>
    ) -> Bool {
        // What a workload says about its own certificate is worth nothing.
        desk.pointee.fields.drop(.forwardedClientCertificate)
        let matched = exchange.pointee.matched
        if matched.isSome, !matched.isPlain {
            guard let isRenamed = changeRequest(matched, bytes) else { return false }
            if isRenamed { return write(head.unnamed, bytes, token, exchange, backend) }
        }
        return write(head, bytes, token, exchange, backend)
    }

    /// Writes a request's head as the desk has it now.
    private mutating func write(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ token: Token, _ exchange: UnsafeMutablePointer<Exchange>,
        _ backend: UnsafeMutablePointer<Backend>
    ) -> Bool {
        let matched = exchange.pointee.matched
        let table = table(of: matched)
        let desk = desk
        let path = desk.pointee.pathBytes
        let host = desk.pointee.hostBytes
        let wire = Self.wire(of: backend)
        if let h2 = backend.pointee.h2 {
            let endsHere = head.framing == .none
            guard let handle = h2.pointee.openStream(exchange.pointee.facts, tag: token.bits) else { return false }
            exchange.pointee.backendStream = handle
            if endsHere { exchange.pointee.state.insert(.requestEnded) }
            let before = Int(wire.pointee.outputCount)
            let isWritten = write(wire) { out in
                let start = h2.pointee.beginRequest(
                    head, of: bytes, path: path.span, authority: host.span, isSecure: false, into: &out)
                h2.pointee.fields(desk.pointee.fields, of: bytes, into: &out)
                Self.addToRequest(matched, table) { h2.pointee.field($0, $1, into: &out) }
                h2.pointee.framing(head.framing, head.flags, into: &out)
                return h2.pointee.endHead(start, on: handle, endStream: endsHere, into: &out)
            }
            guard isWritten == true else { return false }
            if exchange.pointee.kept == 0 { keepBlock(from: before, wire, exchange) }
            return true
        }
        guard backend.pointee.h1.begin(exchange.pointee.facts) else { return false }
        backend.pointee.hasSent = false
        let coding = write(wire) { out in
            H1HeadWriter.beginRequest(head, of: bytes, path: path.span, authority: host.span, into: &out)
            H1HeadWriter.fields(desk.pointee.fields, of: bytes, into: &out)
            Self.addToRequest(matched, table) { H1HeadWriter.field($0, $1, into: &out) }
            return H1HeadWriter.endRequest(head, of: bytes, into: &out)
        }
        guard let coding else { return false }
        exchange.pointee.requestCoding = coding
        if head.flags.contains(.upgrade) {
            exchange.pointee.state.insert([.requestEnded, .requestRead])
            backend.pointee.h1.finishRequest()
        }
        return true
    }

    /// Content that can be passed on to the exchange's backend now. At 0, the backend's progress wakes the client.
    mutating func requestRoom(_ place: UInt32) -> Int {
        guard let exchange = exchange(place), let backend = backends.find(exchange.pointee.backend),
            !exchange.pointee.state.contains(.replaying)
        else { return 0 }
        return contentRoom(Self.wire(of: backend), backend.pointee.h2, exchange.pointee.backendStream)
    }

    /// Content that can be written to a wire now: as much as output, windows and the worker's memory allow.
    mutating func contentRoom(
        _ wire: UnsafeMutablePointer<Wire>, _ h2: UnsafeMutablePointer<H2Connection>?, _ stream: H2StreamHandle?
    ) -> Int {
        var space = max(0, room(wire) - Self.contentReserve)
        if !buffers.hasRoom { space = wire.pointee.outputCount > 0 ? 0 : min(space, Self.thinPortion) }
        guard let h2, let stream else { return space }
        space = min(space, h2.pointee.allowance(stream))
        if space == 0 { h2.pointee.awaitRoom(stream) }
        return space
    }

    /// Passes on content of a request: no more than ``requestRoom(_:)`` said.
    mutating func forward(_ bytes: UnsafeRawBufferPointer, _ place: UInt32) {
        if let exchange = exchange(place), exchange.pointee.kept != 0 { keep(bytes, exchange) }
        pass(bytes, place)
    }

    /// Writes content of a request to its backend.
    mutating func pass(_ bytes: UnsafeRawBufferPointer, _ place: UInt32) {
        guard let exchange = exchange(place), let backend = backends.find(exchange.pointee.backend) else { return }
        exchange.pointee.sent &+= UInt64(bytes.count)
        exchange.pointee.active = loop.now
        let wire = Self.wire(of: backend)
        if let h2 = backend.pointee.h2, let stream = exchange.pointee.backendStream {
            writeStream(bytes, wire, h2, stream)
        } else {
            writePlain(bytes, exchange.pointee.requestCoding, wire, mayGoStraight: backend.pointee.phase == .open)
            if backend.pointee.phase == .open { backend.pointee.hasSent = true }
        }
        wake(backend: exchange.pointee.backend)
    }

    /// The request is complete. With `hasTrailers`, the desk's fields are its trailers, as views of `bytes`.
    mutating func endRequest(_ place: UInt32, _ bytes: Span<UInt8>, hasTrailers: Bool) {
        guard let exchange = exchange(place) else { return }
        exchange.pointee.state.insert(.requestRead)
        guard exchange.pointee.kept != 0 else {
            passEnd(place, bytes, hasTrailers: hasTrailers)
            return
        }
        keepEnd(bytes, hasTrailers: hasTrailers, exchange)
        // What is being sent once more ends behind what was kept.
        if exchange.pointee.state.isDisjoint(with: [.replaying, .waiting]) {
            passEnd(place, bytes, hasTrailers: hasTrailers)
        }
        mirror(place)
    }

    /// Ends a request towards its backend.
    mutating func passEnd(_ place: UInt32, _ bytes: Span<UInt8>, hasTrailers: Bool) {
        guard let exchange = exchange(place), let backend = backends.find(exchange.pointee.backend) else { return }
        guard !exchange.pointee.state.contains(.requestEnded) else {
            backend.pointee.h1.finishRequest()
            return
        }
        exchange.pointee.state.insert(.requestEnded)
        if let h2 = backend.pointee.h2, let stream = exchange.pointee.backendStream {
            endStream(bytes, hasTrailers: hasTrailers, Self.wire(of: backend), h2, stream)
        } else {
            if exchange.pointee.requestCoding == .chunked {
                endChunks(bytes, hasTrailers: hasTrailers, Self.wire(of: backend))
            }
            backend.pointee.h1.finishRequest()
        }
        wake(backend: exchange.pointee.backend)
    }

    /// Whether the head at the desk is one of a gRPC call.
    func isGRPC(_ bytes: Span<UInt8>) -> Bool {
        guard let type = desk.pointee.fields.value(of: .contentType), type.count >= 16 else { return false }
        let name: StaticString = "application/grpc"
        for index in 0..<16 where bytes[Int(type.start) + index] != name.utf8Start[index] { return false }
        // gRPC-Web ends in another way: its trailers are content.
        return type.count == 16 || bytes[Int(type.start) + 16] != 0x2d
    }
}

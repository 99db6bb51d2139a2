// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import MallaRouting
import Reactor

// Copies of requests (Gateway API, HTTPRequestMirrorFilter): sent once the whole request was read, by the client's own
// identity and under its policy. Nobody waits for them; what they are answered is read and thrown away.

extension Worker {
    /// How long a copy may take where its rule says nothing.
    private static var mirrorTime: Nanoseconds { 30_000_000_000 }

    /// The whole request of an exchange was read: sends the copies that its rule wants.
    mutating func mirror(_ place: UInt32) {
        guard let exchange = exchange(place), exchange.pointee.kept != 0, !exchange.pointee.state.contains(.shadow),
            kept(exchange)?.pointee.isBlock == false, let table = table(of: exchange.pointee.matched)
        else { return }
        let rule = Int(exchange.pointee.matched.rule)
        for index in 0..<table.rules[rule].mirrors.count {
            let share = table.rules[rule].mirrors[index]
            guard random.next() % UInt64(max(1, share.denominator)) < UInt64(share.numerator) else { continue }
            do throws(Refusal) { try mirror(exchange, index) } catch { count(.mirrorLeftOut, exchange) }
        }
        // What cannot be tried again is not needed any longer.
        if table.rules[rule].retry == nil { letGo(exchange) }
    }

    /// A request is too large to be kept, or there is no memory for it: its copies are left out, and counted.
    mutating func leaveOutMirrors(_ exchange: UnsafeMutablePointer<Exchange>) {
        guard !exchange.pointee.state.contains(.shadow), let table = table(of: exchange.pointee.matched) else { return }
        let rule = Int(exchange.pointee.matched.rule)
        for index in 0..<table.rules[rule].mirrors.count {
            let share = table.rules[rule].mirrors[index]
            guard random.next() % UInt64(max(1, share.denominator)) < UInt64(share.numerator) else { continue }
            count(.mirrorLeftOut, exchange)
        }
    }

    private mutating func mirror(_ original: UnsafeMutablePointer<Exchange>, _ index: Int) throws(Refusal) {
        guard let view, let client = clients.find(original.pointee.client), let source = kept(original),
            let port = view.routes.port(mirror: index, of: original.pointee.matched)
        else { throw Refusal(reason: .noBackend) }
        guard buffers.hasRoom, exchanges.count < exchangeLimit else { throw Refusal(reason: .overloaded) }
        let captured = client.pointee.captured
        let identified = Identified(try identify(captured), to: port)
        var trials = Trials()
        let picked = try pick(try permit(identified, sparing: &trials), key: Self.key(of: captured))
        var shadow = Exchange(shadowOf: original.pointee, service: view.ports[port].service, now: loop.now)
        // The rule's changes of the request hold for copies too; those of a backend do not.
        shadow.matched.backend = -1
        guard let token = exchanges.insert(shadow), let exchange = exchanges.find(token) else {
            loads.end(picked.slot)
            throw Refusal(reason: .overloaded)
        }
        requestLoads.begin(shadow.source)
        guard let copy = keptRequests.insert(copied(source.pointee)), let kept = keptRequests.find(copy) else {
            loads.end(picked.slot)
            exchanges.remove(token)
            throw Refusal(reason: .overloaded)
        }
        exchange.pointee.kept = copy.index + 1
        count(.mirror, exchange)
        let rule = Int(original.pointee.matched.rule)
        let time = table(of: original.pointee.matched)?.rules[rule].requestTimeout ?? 0
        setTimeout(token, exchange, time == 0 ? Self.mirrorTime : time)
        do throws(Refusal) { try send(kept, to: picked, token, exchange, captured) } catch {
            end(token.index + 1, error, byClient: false)
        }
    }

    /// The same request in memory of its own.
    private mutating func copied(_ source: KeptRequest) -> KeptRequest {
        var copy = KeptRequest(isWhole: true)
        if let start = source.head.start { copy.head = buffers.keep(start, count: Int(source.headCount)) }
        copy.headCount = source.headCount
        if let start = source.content.start { copy.content = buffers.keep(start, count: Int(source.contentCount)) }
        copy.contentCount = source.contentCount
        if let start = source.trailers.start { copy.trailers = buffers.keep(start, count: Int(source.trailersCount)) }
        copy.trailersCount = source.trailersCount
        return copy
    }
}

// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaBalance
import MallaModel
import Reactor

// Permitted → Picked: one endpoint of those that policy allows, as the service's traffic policy says.

extension Worker {
    /// Chooses among the candidates and puts one more on the account of the chosen one.
    ///
    /// - Parameters:
    ///   - wished: number of the endpoint to take if it is among them; 0: none.
    ///   - key: what a hash goes by.
    mutating func pick(_ permitted: Permitted, wished: UInt32 = 0, key: UInt64) throws(Refusal) -> Picked {
        guard let view else { throw Refusal(reason: .noEndpoint) }
        return try pick(permitted, wished: wished, key: key, in: view)
    }

    /// The same in a view that is held already.
    mutating func pick(
        _ permitted: Permitted, wished: UInt32 = 0, key: UInt64, in view: View
    ) throws(Refusal) -> Picked {
        if wished != 0, let place = view.place(ofEndpoint: wished), let slot = candidates.slot(ofEndpoint: place) {
            loads.begin(slot)
            return Picked(permitted, endpoint: view.endpoints[place], slot: slot)
        }
        let port = permitted.identified.port
        let picked =
            switch view.ports[port].balancing.algorithm {
            case .leastRequest:
                LeastRequest.pick(candidates, loads: loads, draws: (random.next(), random.next()))
            case .peakEWMA:
                PeakEWMA.pick(candidates, loads: loads, draws: (random.next(), random.next()), now: loop.now)
            case .roundRobin: RoundRobin.pick(candidates, turn: turn(of: port))
            case .random: RandomChoice.pick(candidates, draw: random.next())
            case .hash: Rendezvous.pick(candidates, loads: loads, key: key)
            }
        guard let picked else { throw Refusal(reason: .noEndpoint) }
        loads.begin(picked.slot)
        return Picked(permitted, endpoint: view.endpoints[picked.endpoint], slot: picked.slot)
    }

    /// How often the port was chosen for. Workers begin at different endpoints.
    private mutating func turn(of port: Int) -> UInt64 {
        guard port < turns.count else { return random.next() }
        turns[port] &+= 1
        return turns[port]
    }

    /// Takes a new view's ports: their turns begin anew, somewhere.
    mutating func adoptTurns(_ view: View) {
        turns.removeAll(keepingCapacity: true)
        for _ in view.ports.indices { turns.append(random.next() >> 32) }
    }

    /// What a hash goes by where a request says nothing: who asks.
    static func key(of captured: Captured) -> UInt64 {
        UInt64(captured.source) &* 0x9e37_79b9_7f4a_7c15 ^ captured.from.high ^ captured.from.low
    }

    /// What a hash goes by for the request at the desk: the header that the port names, else who asks.
    func key(of captured: Captured, at port: Int, _ bytes: Span<UInt8>, in view: View) -> UInt64 {
        guard view.ports[port].balancing.algorithm == .hash else { return 0 }
        let count = view.ports[port].balancing.hashHeader.count
        guard count > 0 else { return Self.key(of: captured) }
        for index in 0..<desk.pointee.fields.count where desk.pointee.fields[index].name.count == count {
            let field = desk.pointee.fields[index]
            guard isHashed(field.name, at: port, in: view, bytes) else { continue }
            var hash = KeyHash()
            for place in field.value.range { hash.add(bytes[place]) }
            return hash.value
        }
        return Self.key(of: captured)
    }

    private func isHashed(_ name: ByteRange, at port: Int, in view: View, _ bytes: Span<UInt8>) -> Bool {
        for place in 0..<name.count {
            let byte = bytes[Int(name.start) + place]
            let lower = byte &- 0x41 < 26 ? byte | 0x20 : byte
            if lower != view.ports[port].balancing.hashHeader[place] { return false }
        }
        return true
    }

    /// A response's head has come from a backend: what it took counts where the port's balancing asks for it.
    mutating func observe(_ exchange: UnsafeMutablePointer<Exchange>) {
        guard exchange.pointee.state.contains(.timed), let backend = backends.find(exchange.pointee.backend) else {
            return
        }
        loads.observe(Int(backend.pointee.slot), loop.now &- exchange.pointee.sentAt, at: loop.now)
    }
}

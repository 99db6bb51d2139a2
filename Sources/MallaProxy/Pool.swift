// SPDX-License-Identifier: Apache-2.0

import MallaModel
import Reactor

/// What a backend must be to carry a request: where it goes, who is there, from whom, in which version.
struct PoolKey: BitwiseCopyable, Equatable {
    var endpoint: SocketAddress
    /// The identity that is at the endpoint: an address may pass to another workload.
    var target: UInt32
    var source: UInt32
    /// Where the source connects from: endpoints may see that, and policy may ask for it.
    var from: Address
    var isHTTP2: Bool

    /// A number that spreads keys.
    var hash: Int {
        var mixed = endpoint.address.high ^ endpoint.address.low &* 0x9e37_79b9_7f4a_7c15
        mixed ^= (UInt64(endpoint.port) << 40 ^ UInt64(source) << 8 ^ (isHTTP2 ? 1 : 0)) &* 0xc2b2_ae3d_27d4_eb4f
        mixed ^= UInt64(target) &* 0xd6e8_feb8_6659_fd93
        mixed ^= (from.high ^ from.low) &* 0xa076_1d64_78bd_642f
        return Int(truncatingIfNeeded: mixed ^ mixed >> 29)
    }
}

/// The backends of one worker that can take another request, by key; the one used last comes first.
struct BackendPool: ~Copyable {
    private static var size: Int { 1024 }
    private var heads = [UInt32](repeating: 0, count: BackendPool.size)

    /// Adds a backend in front.
    mutating func add(_ token: Token, in backends: inout Slab<Backend>) {
        guard let backend = backends.find(token), !backend.pointee.isPooled else { return }
        let place = backend.pointee.key.hash & (Self.size - 1)
        backend.pointee.isPooled = true
        backend.pointee.previous = 0
        backend.pointee.next = heads[place]
        if let first = Self.at(heads[place], backends) { first.pointee.previous = token.index + 1 }
        heads[place] = token.index + 1
    }

    /// Takes a backend out.
    mutating func remove(_ token: Token, in backends: inout Slab<Backend>) {
        guard let backend = backends.find(token), backend.pointee.isPooled else { return }
        backend.pointee.isPooled = false
        let next = backend.pointee.next
        let previous = backend.pointee.previous
        if let before = Self.at(previous, backends) {
            before.pointee.next = next
        } else {
            heads[backend.pointee.key.hash & (Self.size - 1)] = next
        }
        if let behind = Self.at(next, backends) { behind.pointee.previous = previous }
    }

    /// The first backend with this key for which `suits` holds, besides how many there are with the key.
    func first(
        _ key: PoolKey, in backends: borrowing Slab<Backend>, where suits: (UnsafeMutablePointer<Backend>) -> Bool
    ) -> Token? {
        var place = heads[key.hash & (Self.size - 1)]
        while place != 0 {
            guard let (token, backend) = backends.occupant(Int(place) - 1) else { return nil }
            if backend.pointee.key == key, suits(backend) { return token }
            place = backend.pointee.next
        }
        return nil
    }

    private static func at(
        _ place: UInt32, _ backends: borrowing Slab<Backend>
    ) -> UnsafeMutablePointer<Backend>? {
        place == 0 ? nil : backends.occupant(Int(place) - 1)?.element
    }
}

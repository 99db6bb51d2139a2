// SPDX-License-Identifier: Apache-2.0

/// Maglev's consistent hash (Eisenbud et al., NSDI 2016) with weights: a table of more slots than endpoints, where a
/// hash finds its endpoint by one look.
///
/// Each endpoint prefers the slots in an order of its own, made from its key alone, and endpoints take turns by weight
/// (as seats are given out by Sainte-Laguë, after one for each). So every endpoint has its share of the slots to within
/// one, and when one leaves, the others keep nearly all of theirs: of a hundred endpoints' slots 2.4 % move, where 1 %
/// must. Nothing depends on the order of the arguments: every node makes the same table.
public struct MaglevTable: Sendable, Equatable {
    /// Slots per endpoint at least, so that shares are right to about 1 %.
    public static let slotsPerEndpoint = 100
    /// Primes below 2^10, 2^14, 2^17 and 2^20. Few, because a table of another size is another order of everything:
    /// the sources move only when the tenth, 163rd or 1310th endpoint comes or goes.
    public static let sizes = [1021, 16_381, 131_071, 1_048_573]

    /// For each slot the index of its endpoint. Empty when there are no endpoints.
    public let slots: [UInt32]

    /// A table for endpoints with these keys (unique, the same on every node) and weights. Weight 0 gets nothing.
    ///
    /// - Parameter size: how many slots, a prime; `nil`: as many as fit the number of endpoints.
    public init(_ endpoints: [(key: UInt64, weight: UInt32)], size: Int? = nil) {
        let members = endpoints.indices.filter { endpoints[$0].weight > 0 }.sorted {
            (endpoints[$0].key, $0) < (endpoints[$1].key, $1)
        }
        guard !members.isEmpty else {
            slots = []
            return
        }
        let size = size ?? Self.size(for: members.count)
        var filling = Filling(size: size)
        var walks = members.map { Walk(key: endpoints[$0].key, size: size) }
        var turns = Turns(weights: members.map { endpoints[$0].weight })
        for _ in 0..<size {
            let turn = turns.next()
            filling.take(&walks[turn], for: UInt32(truncatingIfNeeded: members[turn]))
        }
        slots = filling.slots
    }

    /// The index of the endpoint for a hash; `nil` when there are none.
    public func pick(hash: UInt32) -> Int? {
        guard !slots.isEmpty else { return nil }
        return Int(slots[Int((UInt64(hash) * UInt64(slots.count)) >> 32)])
    }

    /// The number of slots for so many endpoints. Beyond 10,485 there are fewer than 100 for each.
    public static func size(for count: Int) -> Int {
        sizes.first { $0 / slotsPerEndpoint >= count } ?? sizes[sizes.count - 1]
    }

    /// A well-mixed number from another (SplitMix64's finish).
    public static func mixed(_ number: UInt64) -> UInt64 {
        var mixed = number &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

extension SocketAddress {
    /// What the place is in ``MaglevTable``: the same on every node.
    public var maglevKey: UInt64 {
        MaglevTable.mixed(address.high ^ MaglevTable.mixed(address.low ^ MaglevTable.mixed(UInt64(port))))
    }
}

/// One endpoint's order of slots: all of them once, since the size is prime and the step is not 0.
private struct Walk {
    var position: Int
    let step: Int

    init(key: UInt64, size: Int) {
        position = Int(MaglevTable.mixed(key) % UInt64(size))
        step = Int(MaglevTable.mixed(key ^ 0x5851_f42d_4c95_7f2d) % UInt64(size - 1)) + 1
    }
}

/// The table while it is filled.
private struct Filling {
    private static let free = UInt32.max
    var slots: [UInt32]

    init(size: Int) { slots = Array(repeating: Self.free, count: size) }

    /// Gives the walk's next free slot to `endpoint`. There must be one.
    mutating func take(_ walk: inout Walk, for endpoint: UInt32) {
        let size = slots.count
        slots.withUnsafeMutableBufferPointer { slots in
            while slots[walk.position] != Self.free {
                walk.position += walk.step
                if walk.position >= size { walk.position -= size }
            }
            slots[walk.position] = endpoint
        }
    }
}

/// Whose turn it is: everybody once, then always the one whose share is the most behind.
private struct Turns {
    private let weights: [UInt32]
    private let areEqual: Bool
    private var given = 0
    /// A heap of who comes next, by (2 * turns taken + 1) / weight.
    private var heap: [(odd: UInt64, member: Int)] = []

    init(weights: [UInt32]) {
        self.weights = weights
        areEqual = weights.allSatisfy { $0 == weights[0] }
    }

    mutating func next() -> Int {
        defer { given += 1 }
        if areEqual { return given % weights.count }
        if given < weights.count { return given }
        if given == weights.count {
            heap = weights.indices.map { (3, $0) }
            for index in heap.indices.reversed() { sink(index) }
        }
        let member = heap[0].member
        heap[0].odd += 2
        sink(0)
        return member
    }

    private func isBefore(_ a: (odd: UInt64, member: Int), _ b: (odd: UInt64, member: Int)) -> Bool {
        // At most 2^21 times 2^32: no overflow.
        let (left, right) = (a.odd * UInt64(weights[b.member]), b.odd * UInt64(weights[a.member]))
        return left != right ? left < right : a.member < b.member
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in (2 * index + 1)...(2 * index + 2)
            where child < heap.count && isBefore(heap[child], heap[least]) {
                least = child
            }
            if least == index { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}

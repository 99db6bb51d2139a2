// SPDX-License-Identifier: Apache-2.0

/// The endpoints that a connection may go to, gathered anew for each; the memory is kept.
public struct Candidates: ~Copyable {
    struct Entry: BitwiseCopyable {
        var endpoint: Int
        var slot: Int
        var weight: UInt32
        /// Weights up to and with this one.
        var upTo: UInt64
    }

    private(set) var entries: [Entry] = []
    /// Whether all have the same weight.
    private(set) var isEven = true

    /// None yet.
    public init() { entries.reserveCapacity(64) }

    /// How many there are.
    public var count: Int { entries.count }

    /// Sum of the weights.
    var total: UInt64 { entries.last?.upTo ?? 0 }

    /// Forgets all.
    public mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        isEven = true
    }

    /// Adds one: the caller's number for it, its slot among the ``EndpointLoads`` and its weight. Weight 0 is never
    /// chosen, so it is left out.
    public mutating func add(endpoint: Int, slot: Int, weight: UInt32) {
        guard weight > 0 else { return }
        if let last = entries.last, last.weight != weight { isEven = false }
        entries.append(Entry(endpoint: endpoint, slot: slot, weight: weight, upTo: total + UInt64(weight)))
    }

    /// The slot of an endpoint, by the caller's number for it; `nil`: it is none of them.
    public func slot(ofEndpoint endpoint: Int) -> Int? { entries.first { $0.endpoint == endpoint }?.slot }

    /// Two different ones by weight, the second `nil` where there is only one; `nil` when there is none.
    @inline(__always)
    func pair(_ draws: (UInt64, UInt64)) -> (Entry, Entry?)? {
        guard count > 0 else { return nil }
        let chosen = entries[index(at: draws.0.multipliedFullWidth(by: total).high)]
        guard count > 1 else { return (chosen, nil) }
        // The second draw is among the others: positions from the first one's on move past it.
        var position = draws.1.multipliedFullWidth(by: total - UInt64(chosen.weight)).high
        if position >= chosen.upTo - UInt64(chosen.weight) { position += UInt64(chosen.weight) }
        return (chosen, entries[index(at: position)])
    }

    /// The entry that a number below the total falls on.
    func index(at position: UInt64) -> Int {
        var low = 0
        var high = entries.count - 1
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].upTo > position { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

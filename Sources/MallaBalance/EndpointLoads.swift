// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// How many connections one worker has at each endpoint.
///
/// Endpoints are numbered anew with each snapshot; what persists is where they are. A *slot* stands for an address and
/// port, and keeps its count over changes of the snapshot for as long as there are connections.
public struct EndpointLoads: ~Copyable {
    private var slots: [SocketAddress: Int] = [:]
    private var addresses: [SocketAddress?] = []
    private var counts: [UInt32] = []
    private var free: [Int] = []

    /// No endpoints yet.
    public init() {}

    /// The slots of a new snapshot's endpoints, in their order. Slots that it does not name and that have no
    /// connections are given up.
    public mutating func adopt(_ endpoints: [SocketAddress]) -> [Int] {
        let present = Set(endpoints)
        for (slot, address) in addresses.enumerated() {
            guard let address, counts[slot] == 0, !present.contains(address) else { continue }
            slots[address] = nil
            addresses[slot] = nil
            free.append(slot)
        }
        return endpoints.map { address in
            if let slot = slots[address] { return slot }
            let slot = free.popLast() ?? counts.count
            if slot == counts.count {
                counts.append(0)
                addresses.append(address)
            } else {
                addresses[slot] = address
            }
            slots[address] = slot
            return slot
        }
    }

    /// Connections at the endpoint of this slot, those being made included.
    public subscript(slot: Int) -> UInt32 { counts[slot] }

    /// A connection to the endpoint begins.
    public mutating func begin(_ slot: Int) { counts[slot] &+= 1 }

    /// A connection to the endpoint has ended or was not made.
    public mutating func end(_ slot: Int) { if counts[slot] > 0 { counts[slot] -= 1 } }
}

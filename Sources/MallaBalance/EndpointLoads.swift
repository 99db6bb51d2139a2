// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// What one worker knows of each endpoint: how many connections or requests it has there, how long answers take, and
/// since when it is there.
///
/// Endpoints are numbered anew with each snapshot; what persists is where they are. A *slot* stands for an address and
/// port, and keeps its count over changes of the snapshot for as long as there are connections.
public struct EndpointLoads: ~Copyable {
    private var slots: [SocketAddress: Int] = [:]
    private var addresses: [SocketAddress?] = []
    private var counts: [UInt32] = []
    private var times: [AnswerTime] = []
    private var hashes: [UInt64] = []
    /// When it came; 0: it was there from the beginning.
    private var since: [UInt64] = []
    private var isFirst = true
    private var free: [Int] = []

    /// No endpoints yet.
    public init() {}

    /// The slots of a new snapshot's endpoints, in their order. Slots that it does not name and that have no
    /// connections are given up.
    /// - Parameter now: nanoseconds of a clock that never goes back, for those that are new.
    public mutating func adopt(_ endpoints: [SocketAddress], at now: UInt64 = 0) -> [Int] {
        let present = Set(endpoints)
        for (slot, address) in addresses.enumerated() {
            guard let address, counts[slot] == 0, !present.contains(address) else { continue }
            slots[address] = nil
            addresses[slot] = nil
            free.append(slot)
        }
        return add(endpoints, at: now)
    }

    /// The slots of further endpoints, in their order. No slot is given up.
    public mutating func add(_ endpoints: [SocketAddress], at now: UInt64 = 0) -> [Int] {
        defer { isFirst = false }
        let came = isFirst ? 0 : now
        return endpoints.map { address in
            if let slot = slots[address] { return slot }
            let slot = free.popLast() ?? counts.count
            if slot == counts.count {
                counts.append(0)
                addresses.append(address)
                times.append(AnswerTime())
                hashes.append(0)
                since.append(0)
            } else {
                addresses[slot] = address
                times[slot] = AnswerTime()
            }
            hashes[slot] = Rendezvous.mix(address.address.high ^ address.address.low, UInt64(address.port))
            since[slot] = came
            slots[address] = slot
            return slot
        }
    }

    /// The endpoint of this slot had gone and is back: nothing of before is known of it.
    public mutating func restart(_ slot: Int, at now: UInt64) {
        times[slot] = AnswerTime()
        since[slot] = now
    }

    /// How long an answer of the endpoint is expected to take, nanoseconds.
    func expected(_ slot: Int, at now: UInt64) -> Double { times[slot].expected(at: now) }

    /// An answer of the endpoint took so long.
    public mutating func observe(_ slot: Int, _ nanoseconds: UInt64, at now: UInt64) {
        times[slot].observe(nanoseconds, at: now)
    }

    /// The endpoint's own hash, the same in every process: by address and port alone.
    func hash(_ slot: Int) -> UInt64 { hashes[slot] }

    /// The weight of an endpoint that may be new: from a tenth of 1,024 times its own upwards, linear in time, to
    /// 1,024 times its own after the `window`.
    public func growing(_ weight: UInt32, _ slot: Int, window: UInt64, at now: UInt64) -> UInt32 {
        let whole = UInt64(weight) * 1_024
        let age = now &- since[slot]
        guard weight > 0, since[slot] > 0, age < window else { return UInt32(clamping: whole) }
        return UInt32(clamping: max(1, UInt64(Double(whole) * max(0.1, Double(age) / Double(window)))))
    }

    /// Connections at the endpoint of this slot, those being made included.
    public subscript(slot: Int) -> UInt32 { counts[slot] }

    /// A connection to the endpoint begins.
    public mutating func begin(_ slot: Int) { counts[slot] &+= 1 }

    /// A connection to the endpoint has ended or was not made.
    public mutating func end(_ slot: Int) { if counts[slot] > 0 { counts[slot] -= 1 } }
}

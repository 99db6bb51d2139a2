// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// Numbers of endpoints. A number means one address and port of one workload for as long as anybody may know it, so
/// that a table of numbers in the kernel stays true while endpoints come and go.
///
/// The numbers in use stand with their endpoints; here are only those that wait for theirs.
public struct EndpointNumbers: Sendable {
    struct Place: Hashable {
        var workload: UInt32
        var address: SocketAddress
    }

    /// Past it a number would be taken for something else (`MALLA_ENDPOINT_OF_WORKLOAD`).
    private static let last: UInt32 = 0x7fff_ffff

    /// Numbers that places have which nobody has asked for yet.
    private var known: [Place: UInt32] = [:]
    private var next: UInt32 = 1
    /// Numbers that go to others again when there are more than ``rest`` of them, the oldest first: connections to
    /// those that had them may still be open, and go by the number.
    private var free: [UInt32] = []
    /// How many of `free` are given away already.
    private var used = 0
    private static let rest = 1 << 20
    /// Numbers that go free at the next ``settle()``; until then their places may have them back.
    private var released: [Place: UInt32] = [:]

    /// No numbers are given yet.
    public init() {}

    /// The numbers that these endpoints have: those that a former daemon gave.
    public init(_ endpoints: some Sequence<Snapshot.Endpoint>) { know(endpoints) }

    /// Says that these endpoints have their numbers.
    mutating func know(_ endpoints: some Sequence<Snapshot.Endpoint>) {
        for endpoint in endpoints {
            known[Place(workload: endpoint.workload, address: endpoint.address)] = endpoint.number
            next = max(next, endpoint.number < Self.last ? endpoint.number + 1 : 1)
        }
    }

    /// Gives a place its number; `nil` when all are given, which takes two thousand million endpoints at once.
    mutating func number(of place: Place) -> UInt32? {
        if !known.isEmpty, let number = known.removeValue(forKey: place) { return number }
        if !released.isEmpty, let number = released.removeValue(forKey: place) { return number }
        return rested() ?? fresh()
    }

    /// Takes a place's number back. Others get it only after the next ``settle()``: until then the kernel knows it.
    mutating func release(_ number: UInt32, of place: Place) { released[place] = number }

    /// What was released up to now is in no table any more.
    mutating func settle() {
        guard !released.isEmpty else { return }
        free += released.values
        released = [:]
        if used > Self.rest {
            free.removeFirst(used)
            used = 0
        }
    }

    /// Releases the numbers of all places that nobody has asked for.
    mutating func releaseOthers() {
        released.merge(known) { $1 }
        known = [:]
    }

    private mutating func rested() -> UInt32? {
        guard free.count - used > Self.rest else { return nil }
        defer { used += 1 }
        return free[used]
    }

    private mutating func fresh() -> UInt32? {
        guard next < Self.last else { return nil }
        defer { next += 1 }
        return next
    }
}

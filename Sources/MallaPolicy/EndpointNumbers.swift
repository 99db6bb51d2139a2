// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// Numbers of endpoints. A number means one address and port of one workload for as long as anybody may know it, so
/// that a table of numbers in the kernel stays true while endpoints come and go.
public struct EndpointNumbers: Sendable {
    struct Place: Hashable {
        var workload: UInt32
        var address: SocketAddress
    }

    /// Past it a number would be taken for something else (`MALLA_ENDPOINT_OF_WORKLOAD`).
    private static let last: UInt32 = 0x7fff_ffff

    private var numbers: [Place: UInt32] = [:]
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
    public init(_ endpoints: some Sequence<Snapshot.Endpoint>) {
        for endpoint in endpoints {
            numbers[Place(workload: endpoint.workload, address: endpoint.address)] = endpoint.number
            next = max(next, endpoint.number < Self.last ? endpoint.number + 1 : 1)
        }
    }

    /// The number of a place; `nil` when all are given, which takes two thousand million endpoints at once.
    mutating func number(of place: Place) -> UInt32? {
        if let number = numbers[place] { return number }
        guard let number = released.removeValue(forKey: place) ?? rested() ?? fresh() else { return nil }
        numbers[place] = number
        return number
    }

    /// Takes a place's number back. Others get it only after the next ``settle()``: until then the kernel knows it.
    mutating func release(_ place: Place) {
        if let number = numbers.removeValue(forKey: place) { released[place] = number }
    }

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

    /// Releases every number that is not among these.
    mutating func keep(_ used: (UInt32) -> Bool) {
        for (place, number) in numbers where !used(number) { released[place] = number }
        numbers = numbers.filter { used($0.value) }
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

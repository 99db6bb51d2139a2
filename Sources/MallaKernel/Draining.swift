// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
public import MallaModel
import Synchronization

/// An endpoint as one of a service's.
public struct ServiceEndpoint: Hashable, Sendable {
    /// The service's number.
    public let service: UInt32
    /// The endpoint's number.
    public let endpoint: UInt32

    /// An endpoint of a service.
    public init(service: UInt32, endpoint: UInt32) {
        self.service = service
        self.endpoint = endpoint
    }

    init(_ key: malla_drain_key) { self.init(service: key.service, endpoint: key.endpoint) }

    var abi: malla_drain_key { malla_drain_key(service: service, endpoint: endpoint) }
}

/// What a new snapshot means for connections to endpoints that leave a service, or come back to it. Pure.
///
/// A service that is gone whole drains nothing: ending it must not end what it is still doing.
struct DrainChange {
    /// Those that left, and when what is open to them is cut: nanoseconds of CLOCK_MONOTONIC.
    var left: [ServiceEndpoint: UInt64] = [:]
    /// Those that were to be cut, and are back.
    var returned: Set<ServiceEndpoint> = []

    /// - Parameters:
    ///   - former: who belonged to a service up to now.
    ///   - draining: who left before.
    init(
        from former: Set<ServiceEndpoint>, draining: some Sequence<ServiceEndpoint>, to services: [Snapshot.Service],
        now: UInt64
    ) {
        let members = Set(services.flatMap(\.members))
        var graces: [UInt32: Nanoseconds] = [:]
        for service in services {
            graces[service.number] = service.ports.map(\.drainGrace).max()
        }
        for one in former where !members.contains(one) {
            guard let grace = graces[one.service] else { continue }
            let deadline = now.addingReportingOverflow(grace)
            left[one] = deadline.overflow ? .max : deadline.partialValue
        }
        for one in draining {
            if members.contains(one) { returned.insert(one) }
            left[one] = nil
        }
    }
}

extension Snapshot.Service {
    /// The endpoints that belong to it, whether they get connections now or not.
    var members: [ServiceEndpoint] {
        standby
            + ports.flatMap { port in
                (port.endpoints4 + port.endpoints6).map { ServiceEndpoint(service: number, endpoint: $0.endpoint) }
            }
    }

    /// Those of them that get no connections now: the kernel's tables do not have them.
    var standby: [ServiceEndpoint] {
        ports.flatMap { port in port.standby.map { ServiceEndpoint(service: number, endpoint: $0) } }
    }
}

extension PresentEntries {
    /// The endpoints that services lead to now.
    var members: Set<ServiceEndpoint> {
        var members: Set<ServiceEndpoint> = []
        for value in services.values where value.slots > 0 {
            for (piece, slots) in slots[value.table] ?? [:] where piece < MALLA_SLOT_MEMBERS {
                for endpoint in slots.endpoints { members.insert(.init(service: value.service, endpoint: endpoint)) }
            }
        }
        return members
    }
}

/// Who drains, with the time at which what is left is cut. The kernel's map has the same, so that a new daemon goes on
/// where the former one ended.
struct Drains: Sendable {
    /// Nanoseconds of CLOCK_MONOTONIC.
    private(set) var deadlines: [ServiceEndpoint: UInt64]
    /// Those for which open connections were gone over since their deadline.
    private var walked: Set<ServiceEndpoint> = []

    /// As a former daemon left them.
    init(_ maps: KernelMaps) throws {
        deadlines = Dictionary(try maps.drains.entries().map { (ServiceEndpoint($0.key), $0.value) }) { $1 }
    }

    /// Those whose time is over, and those of them that are done with: gone over twice, because a connect that was
    /// decided before the endpoint left may enter the kernel's tables late.
    mutating func due(at now: UInt64) -> (due: Bool, done: [ServiceEndpoint]) {
        let due = Set(deadlines.filter { $0.value <= now }.keys)
        let done = due.intersection(walked)
        walked = due.subtracting(done)
        return (!due.isEmpty, Array(done))
    }

    mutating func remove(_ gone: some Sequence<ServiceEndpoint>, _ maps: KernelMaps) throws {
        let gone = Set(gone).filter { deadlines[$0] != nil }
        try maps.drains.delete(gone.map(\.abi))
        for one in gone { deadlines[one] = nil }
        walked.subtract(gone)
    }

    /// What finds no room in the map is not cut: its connections end by themselves.
    mutating func add(_ left: [ServiceEndpoint: UInt64], _ maps: KernelMaps) throws {
        let room = maps.drains.description.maxEntries - deadlines.count
        let taken = left.prefix(max(0, room))
        try maps.drains.update(taken.map { (key: $0.key.abi, value: $0.value) })
        for (one, deadline) in taken { deadlines[one] = deadline }
    }
}

extension KernelNode {
    /// Who drains, with the time at which what is left is cut: nanoseconds of CLOCK_MONOTONIC.
    public var draining: [ServiceEndpoint: UInt64] { state.withLock { $0.drains.deadlines } }

    /// Cuts what is open to endpoints that left their service and whose grace time is over. To be called now and then:
    /// it costs nothing while nothing is due.
    @discardableResult
    public func drain() throws -> [Cut] {
        try state.withLock { state in
            let (due, done) = state.drains.due(at: Self.now())
            guard due else { return [] }
            let cuts = try revoker?.run() ?? []
            try state.drains.remove(done, maps)
            return cuts
        }
    }

    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// How many connections this node has at an endpoint of a service that is balanced by it.
public struct ActiveRecord: Sendable, Equatable {
    /// The endpoint's number.
    public let endpoint: UInt32
    /// Where it is; `nil`: it left.
    public let address: SocketAddress?
    /// The number of its workload; 0: it left.
    public let workload: UInt32
    /// Connections, those being made included.
    public let connections: UInt32
}

extension KernelReader {
    /// The endpoints of services that are balanced by the number of connections, as far as they were ever chosen.
    public func active() throws -> [ActiveRecord] {
        try maps.active.entries().map { entry in
            var key = malla_endpoint_key()
            key.endpoint = entry.key
            let endpoint = try maps.endpoints.lookup(key)
            return ActiveRecord(
                endpoint: entry.key, address: endpoint.map { SocketAddress(Address($0.addr), $0.port) },
                workload: endpoint?.workload ?? 0, connections: entry.value.connections)
        }
    }
}

extension SnapshotWriter {
    /// Deletes the counts of those of these endpoints, which are gone, that have no connections.
    ///
    /// - Returns: those that are not counted any more.
    func removeIdleCounts(of gone: Set<UInt32>) throws -> [UInt32] {
        try gone.filter { number in
            guard let count = try maps.active.lookup(number) else { return true }
            return try count.connections == 0 && maps.active.delete(number)
        }
    }

    /// Deletes the counts of endpoints that are gone and have no connections.
    func removeIdleCounts() throws {
        let idle = try maps.active.entries().filter { $0.value.connections == 0 }.map(\.key)
        let gone = try idle.filter { number in
            var key = malla_endpoint_key()
            key.endpoint = number
            return try maps.endpoints.lookup(key) == nil
        }
        try maps.active.delete(gone)
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import BPFTestObjects
import CMallaABI
import Glibc
import MallaModel
import Synchronization
import Testing

@testable import MallaKernel

/// The kernel replaces an entry of a hash by putting the new one before all others of its bucket and then taking the old one
/// out. Who is on his way from an entry in between to the old one then sees neither. And the memory of an old entry goes to
/// another key while somebody still reads it.
@Suite("Entries that are replaced while they are read", .serialized, .timeLimit(.minutes(15)))
struct ReplacementTests {
    /// Keys that are always there; as many more come and go.
    private static let keys: UInt32 = 16

    /// What is looked for.
    enum Sought: String, CaseIterable {
        case endpoints, wildcards, workloads, interfaces
    }

    /// How the programs know of changes.
    enum Word {
        /// As the daemon does it.
        case tells
        /// It stays odd: what a look once would find does not count.
        case staysOdd
    }

    @Test("an entry that is always there is always found, and whole", arguments: Sought.allCases)
    func found(_ sought: Sought) throws { try find(sought, .tells) }

    @Test("and so it is by whoever has to look carefully all the time", arguments: [Sought.endpoints, .wildcards])
    func foundCarefully(_ sought: Sought) throws { try find(sought, .staysOdd) }

    /// Here nobody waits for a grace period: many more are replaced.
    @Test("who looks once, and is told of no change, has found it, and whole")
    func foundAtOnce() throws {
        try read("replaced_once", .endpoints) { table, changes in
            for round in 1...10_000 as ClosedRange<UInt32> {
                try changes.around { _ in try Self.write(table, round) }
                usleep(10)
            }
        }
    }

    private func find(_ sought: Sought, _ word: Word) throws {
        let gracePeriod = try GracePeriod()
        // Which entries share a bucket is the kernel's secret, another one for each map.
        for _ in 0..<3 {
            try read("replaced_\(sought.rawValue)", sought) { table, changes in
                func rounds() throws {
                    // As the daemon does it: each entry once, then everybody who reads has to be through.
                    for round in 1...120 as ClosedRange<UInt32> {
                        try changes.around { _ in try Self.write(table, round) }
                        try gracePeriod.wait()
                    }
                }
                switch word {
                case .tells: try rounds()
                case .staysOdd: try changes.around { _ in try rounds() }
                }
            }
        }
    }

    /// Has a program read while `body` writes.
    private func read(_ program: String, _ sought: Sought, _ body: (any Table, ChangeWord) throws -> Void) throws {
        let code = try #require(ObjectCode.testObjects.first { $0.name == "replaced" })
        let object = try OpenObject(name: code.name, code: code.bytes)
        for map in ["malla_endpoints", "malla_services", "malla_workloads", "malla_interfaces"] {
            // As many buckets as entries, so that many share one.
            try object.setMaxEntries(of: map, to: 2 * Self.keys)
        }
        let loaded = try object.load()
        let changes = try ChangeWord(SharedWord(loaded.descriptor(ofMap: "malla_changes"), name: "malla_changes"))
        let table = try Self.table(sought, loaded)
        try changes.around { _ in
            for number in 0..<Self.keys { try table.write(number, 0) }
        }
        let reader = Reader(try loaded.program(program))
        try reader.start()
        defer { reader.stop() }
        try body(table, changes)
        reader.stop()
        #expect(reader.reads > 0)
        #expect(reader.answers == 0, "\(reader.answers % 65536) missed, \(reader.answers / 65536) torn")
    }

    /// Replaces what is always there; the others come and go, into the memory that this sets free.
    private static func write(_ table: any Table, _ round: UInt32) throws {
        for (number, other) in zip(0..<keys, keys..<2 * keys) {
            if round % 2 == 0 { try table.delete(other) }
            try table.write(number, round)
            if round % 2 == 1 { try table.write(other, round) }
        }
    }

    private static func table(_ sought: Sought, _ loaded: borrowing LoadedObject) throws -> any Table {
        func address(_ number: UInt32) -> malla_addr { Address(ipv4: 0x0a00_0000 + number).abi }
        switch sought {
        case .endpoints:
            return try Rows(loaded, "malla_endpoints") {
                malla_endpoint_key(endpoint: .max, addr: address($0), port: 80, reserved: 0)
            } value: { number, round in
                var value = malla_endpoint()
                (value.endpoint, value.workload, value.identity) = (number, round, round)
                return value
            }
        case .wildcards:
            return try Rows(loaded, "malla_services") {
                malla_service_key(port: 0, protocol: UInt8(IPPROTO_TCP), reserved: 0, addr: address($0))
            } value: { number, round in
                var value = malla_service()
                (value.service, value.table, value.scope) = (number, round, round)
                return value
            }
        case .workloads:
            return try Rows(loaded, "malla_workloads") {
                UInt64($0)
            } value: {
                malla_workload(workload: $1, identity: $1, flags: $0, reserved: 0)
            }
        case .interfaces:
            return try Rows(loaded, "malla_interfaces") {
                $0
            } value: { _, round in
                var value = malla_interface()
                (value.workload, value.identity) = (round, round)
                return value
            }
        }
    }
}

/// Entries by numbers.
private protocol Table {
    func write(_ number: UInt32, _ round: UInt32) throws
    func delete(_ number: UInt32) throws
}

private final class Rows<Key: BitwiseCopyable, Value: BitwiseCopyable>: Table {
    private let map: BPFMap<Key, Value>
    private let key: (UInt32) -> Key
    private let value: (UInt32, UInt32) -> Value

    init(
        _ loaded: borrowing LoadedObject, _ name: String, key: @escaping (UInt32) -> Key,
        value: @escaping (UInt32, UInt32) -> Value
    ) throws {
        map = try loaded.map(name)
        (self.key, self.value) = (key, value)
    }

    func write(_ number: UInt32, _ round: UInt32) throws { try map.update(key(number), value(number, round)) }

    func delete(_ number: UInt32) throws { try map.delete(key(number)) }
}

/// A thread that runs the reading program until it is stopped.
private final class Reader: Sendable {
    private struct State {
        var reads: UInt64 = 0
        var answers: UInt64 = 0
        var isStopped = false
        var hasEnded = false
    }

    private let program: BPFProgram
    private let state = Mutex(State())

    init(_ program: consuming BPFProgram) { self.program = program }

    var reads: UInt64 { state.withLock { $0.reads } }
    var answers: UInt64 { state.withLock { $0.answers } }

    func start() throws {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Reader>.fromOpaque(argument).takeRetainedValue().loop() }
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw POSIXFailure("no thread: \(String(cString: strerror(result)))")
        }
        pthread_detach(thread)
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        while !state.withLock({ $0.hasEnded }) { usleep(1000) }
    }

    private func loop() {
        var packet: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        while !state.withLock({ $0.isStopped }) {
            guard let found = try? program.run(onPacket: &packet) else { break }
            state.withLock {
                $0.reads += 1
                $0.answers += UInt64(found)
            }
        }
        state.withLock { $0.hasEnded = true }
    }
}

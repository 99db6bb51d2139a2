// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import BPFTestObjects
import CMallaABI
import Glibc
import Synchronization
import Testing

/// The kernel replaces an entry of a hash by putting the new one before all others of its bucket and then taking the old one
/// out. Who is on his way from an entry in between to the old one then sees neither.
@Suite("Entries that are replaced while they are read", .serialized, .timeLimit(.minutes(15)))
struct ReplacementTests {
    private static let endpoints: UInt32 = 16

    @Test("an entry that is always there is always found")
    func found() throws {
        let code = try #require(ObjectCode.testObjects.first { $0.name == "replaced" })
        var missing: UInt64 = 0
        // Which entries share a bucket is the kernel's secret, another one for each map.
        for _ in 0..<4 {
            let object = try OpenObject(name: code.name, code: code.bytes)
            // As many buckets as entries, so that many share one.
            try object.setMaxEntries(of: "malla_endpoints", to: Self.endpoints)
            let loaded = try object.load()
            let map: BPFMap<malla_endpoint_key, malla_endpoint> = try loaded.map("malla_endpoints")
            let keys = (0..<Self.endpoints).map { number in
                var key = malla_endpoint_key()
                key.endpoint = number
                return key
            }
            for key in keys { try map.update(key, malla_endpoint()) }
            let reader = Reader(try loaded.program("replaced_reads"))
            try reader.start()
            defer { reader.stop() }
            let gracePeriod = try GracePeriod()
            // As the daemon does it: each entry once, then everybody who reads has to be through.
            for _ in 0..<200 {
                for key in keys { try map.update(key, malla_endpoint()) }
                try gracePeriod.wait()
            }
            reader.stop()
            #expect(reader.reads > 0)
            missing += reader.missing
        }
        #expect(missing == 0)
    }
}

/// A thread that runs the reading program until it is stopped.
private final class Reader: Sendable {
    private struct State {
        var reads: UInt64 = 0
        var missing: UInt64 = 0
        var isStopped = false
        var hasEnded = false
    }

    private let program: BPFProgram
    private let state = Mutex(State())

    init(_ program: consuming BPFProgram) { self.program = program }

    var reads: UInt64 { state.withLock { $0.reads } }
    var missing: UInt64 { state.withLock { $0.missing } }

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
                $0.missing += UInt64(found)
            }
        }
        state.withLock { $0.hasEnded = true }
    }
}

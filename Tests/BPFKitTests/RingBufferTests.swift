// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Testing

@Suite("Ring buffers", .timeLimit(.minutes(15)))
struct RingBufferTests {
    @Test("every record arrives, in order, however many wait", arguments: [1, 200])
    func all(count: Int) async throws {
        let loaded = try openKit().load()
        let program = try loaded.program("kit_add")
        let buffer = try RingBuffer<UInt64>(loaded.descriptor(ofMap: "kit_events"), name: "kit_events")
        for index in 0..<count {
            var arguments = KitArgs(a: UInt32(index), b: 1)
            try program.run(&arguments)
        }
        var iterator = buffer.makeAsyncIterator()
        for index in 0..<count { #expect(try await iterator.next() == UInt64(index + 1)) }
    }

    @Test("a record that comes later wakes the consumer")
    func later() async throws {
        let loaded = try openKit().load()
        let buffer = try RingBuffer<UInt64>(loaded.descriptor(ofMap: "kit_events"), name: "kit_events")
        let consumer = Task {
            var iterator = buffer.makeAsyncIterator()
            return try await iterator.next()
        }
        try await Task.sleep(for: .milliseconds(20))
        var arguments = KitArgs(a: 20, b: 22)
        try loaded.program("kit_add").run(&arguments)
        #expect(try await consumer.value == 42)
    }

    @Test("a cancelled consumer ends, and the next one gets the next record")
    func cancel() async throws {
        let loaded = try openKit().load()
        let buffer = try RingBuffer<UInt64>(loaded.descriptor(ofMap: "kit_events"), name: "kit_events")
        let consumer = Task {
            for try await _ in buffer {}
            return true
        }
        try await Task.sleep(for: .milliseconds(20))
        consumer.cancel()
        #expect(try await consumer.value)
        var arguments = KitArgs(a: 1, b: 1)
        try loaded.program("kit_add").run(&arguments)
        var iterator = buffer.makeAsyncIterator()
        #expect(try await iterator.next() == 2)
    }

    @Test("a record of another size is an error")
    func layout() async throws {
        let loaded = try openKit().load()
        let buffer = try RingBuffer<UInt32>(loaded.descriptor(ofMap: "kit_events"), name: "kit_events")
        var arguments = KitArgs(a: 1, b: 1)
        try loaded.program("kit_add").run(&arguments)
        await #expect(throws: BPFError.self) {
            var iterator = buffer.makeAsyncIterator()
            _ = try await iterator.next()
        }
    }
}

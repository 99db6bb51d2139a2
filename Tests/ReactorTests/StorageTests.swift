// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor
import Testing

@Suite("Slab, buffers, pipes")
struct StorageTests {
    @Test("a removed value's token finds nothing, also when its place has a new tenant")
    func staleTokens() throws {
        var slab = try Slab<Int>(capacity: 2)
        let first = try unwrap(slab.insert(1))
        let second = try unwrap(slab.insert(2))
        let none = slab.insert(3)
        #expect(none == nil, "full")
        #expect(slab.find(first)?.pointee == 1)
        slab.remove(first)
        #expect(slab.find(first) == nil)
        let third = try unwrap(slab.insert(3))
        #expect(third.index == first.index)
        #expect(slab.find(first) == nil)
        #expect(slab.find(third)?.pointee == 3)
        #expect(slab.find(second.with(kind: 9))?.pointee == 2)
        slab.remove(first)
        #expect(slab.count == 2, "removing a stale token changes nothing")
        #expect(slab.occupant(Int(second.index))?.token == second)
    }

    @Test("room for a million costs no memory until it is used")
    func lazyMemory() throws {
        let before = resident()
        let slab = try Slab<InlineArray<32, UInt64>>(capacity: 1_000_000)
        #expect(resident() - before < 64 << 20, "256 MB of address space are reserved")
        #expect(slab.count == 0)
    }

    @Test("a generation that wraps still tells tenants apart")
    func generations() throws {
        var slab = try Slab<Int>(capacity: 1)
        var last: Token?
        for value in 0..<100_000 {
            let token = try unwrap(slab.insert(value))
            #expect(token != last)
            slab.remove(token)
            last = token
        }
    }

    @Test("buffers stay under the limit and keep what they were given")
    func buffers() {
        var pool = BufferPool(limit: 256 << 10)
        var held: [Buffer] = []
        let bytes = [UInt8](repeating: 7, count: BufferPool.largest)
        while pool.hasRoom { held.append(pool.keep(bytes, count: BufferPool.largest)) }
        #expect(held.count == 4)
        #expect(pool.used == 256 << 10)
        #expect(held[0].start?.load(fromByteOffset: BufferPool.largest - 1, as: UInt8.self) == 7)
        for index in held.indices { pool.recycle(&held[index]) }
        #expect(pool.used == 0)
        #expect(held[0].start == nil)
        var small = pool.keep(bytes, count: 10)
        #expect(pool.used == 4 << 10)
        pool.recycle(&small)
        pool.recycle(&small)
        #expect(pool.used == 0)
    }

    @Test("pipes are lent up to the limit and come back")
    func pipes() throws {
        var pool = PipePool(limit: 2)
        var first = try unwrap(pool.take())
        var second = try unwrap(pool.take())
        let none = pool.take()
        #expect(none == nil)
        #expect(write(first.input, "x", 1) == 1)
        pool.recycle(&first, empty: false)
        #expect(!first.exists)
        pool.recycle(&second, empty: true)
        var third = try unwrap(pool.take())
        var byte: UInt8 = 0
        #expect(read(third.output, &byte, 1) == -1, "a lent pipe is empty")
        pool.recycle(&third, empty: true)
    }

    /// `#require` cannot look into a noncopyable value.
    private func unwrap<Value>(_ value: Value?) throws -> Value { try #require(value) }

    private func resident() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, 256, file) != nil else { return 0 }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let fields = text.split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4096
    }
}

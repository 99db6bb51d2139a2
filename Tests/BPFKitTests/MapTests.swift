// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc
import Testing

@Suite("Maps")
struct MapTests {
    @Test("lookup, update with modes, delete")
    func single() throws {
        let map: BPFMap<UInt32, UInt64> = try openKit().load().map("kit_hash")
        #expect(try map.lookup(1) == nil)
        try map.update(1, 10, mode: .create)
        #expect { try map.update(1, 11, mode: .create) } throws: { ($0 as? BPFError)?.code == .exists }
        #expect { try map.update(2, 11, mode: .replace) } throws: { ($0 as? BPFError)?.code == .notFound }
        try map.update(1, 11)
        #expect(try map.lookup(1) == 11)
        #expect(try map.delete(1))
        #expect(try !map.delete(1))
    }

    @Test("a whole map in batches", arguments: [0, 1, 1000])
    func batches(count: Int) throws {
        let map: BPFMap<UInt32, UInt64> = try openKit().load().map("kit_hash")
        let entries = (0..<count).map { (key: UInt32($0), value: UInt64($0) * 3) }
        #expect(try map.update(entries) == count)
        let read = try map.entries()
        #expect(read.count == count)
        #expect(Set(read.map(\.key)).count == count)
        #expect(read.allSatisfy { $0.value == UInt64($0.key) * 3 })
        // Two that are missing, among those that are there.
        #expect(try map.delete([5000] + entries.map(\.key) + [5001]) == count)
        #expect(try map.entries().isEmpty)
    }

    @Test("a full map says so, with its capacity")
    func full() throws {
        let object = try openKit()
        try object.setMaxEntries(of: "kit_hash", to: 10)
        let map: BPFMap<UInt32, UInt64> = try object.load().map("kit_hash")
        #expect {
            try map.update((0..<100).map { (key: UInt32($0), value: UInt64(0)) })
        } throws: {
            ($0 as? BPFError)?.code == .full && "\($0)".contains("10 entries")
        }
        #expect(try map.entries().count == 10)
    }

    @Test("an array always has all its entries")
    func array() throws {
        let map: BPFMap<UInt32, UInt64> = try openKit().load().map("kit_array")
        try map.update(2, 5)
        #expect(try map.entries().sorted { $0.key < $1.key }.map(\.value) == [0, 0, 5, 0])
    }

    @Test("a word in memory is the map's value; other maps are refused")
    func word() throws {
        let loaded = try openKit().load()
        let map: BPFMap<UInt32, UInt64> = try loaded.map("kit_word")
        try map.update(0, 5)
        do {
            let word = try SharedWord(map.descriptor, name: "kit_word")
            #expect(word.load() == 5)
            word.store(1 << 40 | 7)
            #expect(try map.lookup(0) == 1 << 40 | 7)
            try map.update(0, 9)
            #expect(word.load() == 9)
        }
        #expect(try map.lookup(0) == 9, "it outlives the memory")
        for other in ["kit_array", "kit_hash"] {
            #expect {
                _ = try SharedWord(loaded.descriptor(ofMap: other), name: other)
            } throws: {
                ($0 as? BPFError)?.code == .layout && "\($0)".contains(other)
            }
        }
    }

    @Test("types of other sizes are refused when the map is opened")
    func layout() throws {
        let loaded = try openKit().load()
        #expect {
            let map: BPFMap<UInt64, UInt64> = try loaded.map("kit_hash")
            _ = try map.lookup(0)
        } throws: {
            ($0 as? BPFError)?.code == .layout
        }
        #expect {
            let map: BPFMap<UInt32, UInt32> = try loaded.map("kit_hash")
            _ = try map.lookup(0)
        } throws: {
            ($0 as? BPFError)?.code == .layout
        }
        #expect {
            let map: BPFMap<UInt32, UInt32> = try loaded.map("kit_percpu")
            _ = try map.lookup(0)
        } throws: {
            "\($0)".contains("one value per CPU")
        }
    }

    @Test("per-CPU values, of a size that the kernel pads")
    func perCPU() throws {
        let loaded = try openKit().load()
        let map = try PerCPUMap<UInt32, UInt32>(loaded.descriptor(ofMap: "kit_percpu"), name: "kit_percpu")
        #expect(try map.lookup(9) == nil)
        var arguments = KitArgs(a: 9, b: 77)
        try loaded.program("kit_add").run(&arguments)
        #expect(try map.lookup(9)?.reduce(0, +) == 77)
        try map.update(10, all: 2)
        let entries = try map.entries().sorted { $0.key < $1.key }
        #expect(entries.map(\.key) == [9, 10])
        #expect(entries.last?.values == Array(repeating: 2, count: map.cpus))
    }

    @Test("a read-only descriptor reads and does not write")
    func readOnly() throws {
        let node = try TestNode("readonly")
        let map: BPFMap<UInt32, UInt64> = try openKit().load().map("kit_hash")
        try map.update(1, 2)
        try map.pin(at: node.pins + "/hash")
        let reader = try BPFMap<UInt32, UInt64>(pinned: node.pins + "/hash", access: .readOnly)
        #expect(try reader.lookup(1) == 2)
        #expect { try reader.update(1, 3) } throws: { ($0 as? BPFError)?.code == .notPermitted }
        #expect(try map.lookup(1) == 2)
    }

    @Test("storage of a socket is found by its descriptor")
    func socketStorage() throws {
        let storage = try SocketStorage<UInt64>(
            openKit().load().descriptor(ofMap: "kit_storage"), name: "kit_storage")
        let socket = Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        try #require(socket.raw >= 0)
        #expect(try storage.lookup(socket: socket.raw) == nil)
        try storage.update(socket: socket.raw, 42)
        #expect(try storage.lookup(socket: socket.raw) == 42)
        #expect(try storage.delete(socket: socket.raw))
        #expect(try storage.lookup(socket: socket.raw) == nil)
        #expect { try storage.lookup(socket: 12345) } throws: { ($0 as? BPFError)?.errno == EBADF }
    }

    /// The C struct `kit_entry`.
    private struct KitEntry: BitwiseCopyable {
        var value: UInt64
        var key: UInt32
        var reserved: UInt32
    }

    @Test("an iterator program walks all entries", arguments: [0, 1, 900])
    func iterator(count: Int) throws {
        let loaded = try openKit().load()
        let map: BPFMap<UInt32, UInt64> = try loaded.map("kit_hash")
        try map.update((0..<count).map { (key: UInt32($0), value: UInt64($0) * 7) })
        let program = try loaded.program("kit_entries")
        let entries = try program.iterate(map: map.descriptor, as: KitEntry.self)
        #expect(Set(entries.map(\.key)).count == count)
        #expect(entries.allSatisfy { $0.value == UInt64($0.key) * 7 })
        guard count == 1 else { return }
        #expect { try program.iterate(map: map.descriptor, as: (UInt64, UInt64, UInt64).self) } throws: {
            ($0 as? BPFError)?.code == .layout
        }
    }

    @Test("a grace period ends")
    func gracePeriod() throws {
        let period = try GracePeriod()
        try period.wait()
        try period.wait()
    }
}

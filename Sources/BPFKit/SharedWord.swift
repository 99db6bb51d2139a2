// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// The one 64-bit value of an array map, in this process's own memory: programs and this process see each other's writes
/// without a system call, and never half of one.
///
/// The map has one entry of 8 bytes and the flag `BPF_F_MMAPABLE`; kernel 5.5.
public final class SharedWord: Sendable {
    // Nothing but atomic operations goes through it, until the end of this value.
    private nonisolated(unsafe) let place: UnsafeMutablePointer<Atomic<UInt64>>
    private let length: Int

    /// Maps the value into memory. The descriptor is not kept.
    ///
    /// - Throws: ``BPFError``: `layout` when the map is another kind of map, EPERM for one that may only be read.
    public init(_ map: borrowing Descriptor, name: String) throws {
        let description = try MapDescription(of: map)
        try description.require(key: UInt32.self, value: UInt64.self, perCPU: false, name: name)
        // BPF_F_MMAPABLE.
        guard description.type == .array, description.maxEntries == 1, description.flags & 1 << 10 != 0 else {
            throw BPFError(
                .layout, operation: "map into memory", object: "map \(name)",
                message: "it is no array of one entry that was made for that")
        }
        length = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, map.raw, 0), start != MAP_FAILED else {
            throw BPFError(operation: "map into memory", object: "map \(name)", errno: errno)
        }
        // An atomic value has the layout of what it holds, and the map's is aligned to a page.
        place = start.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    }

    deinit { munmap(place, length) }

    /// What it says now.
    public func load() -> UInt64 { place.pointee.load(ordering: .acquiring) }

    /// Writes it so that everybody who sees anything that this process, or the kernel for it, writes later sees this, too;
    /// and nobody sees it before all that was written before.
    public func store(_ value: UInt64) {
        place.pointee.store(value, ordering: .releasing)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }
}

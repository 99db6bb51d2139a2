// SPDX-License-Identifier: Apache-2.0
import CMallaABI

/// What has to be done about the policies, by the steps in which it is done. Pure.
///
/// A set of policies stands under a generation, and is replaced whole by one under the next, so that no decision is
/// made by half of each. Scopes that are only new, or only left behind, do not take that: endpoints refer to them
/// or do not.
struct PolicyChange {
    typealias Entries = [(key: malla_policy_key, value: malla_policy)]
    typealias Blocks = [(key: malla_block_key, value: malla_block)]

    /// Scopes that are new, under the generation in force.
    var added: Entries = []
    /// Their blocks.
    var addedBlocks: Blocks = []
    /// The generation to switch to and everything under it, scopes that endpoints may still name among them; `nil`:
    /// the one in force stays.
    var next: (generation: UInt32, entries: Entries)?
    /// The blocks of all these; empty where the generation in force stays.
    var nextBlocks: Blocks = []
    /// Entries of the generation in force that nothing refers to afterwards, or of a generation that nobody reads.
    var unused: [malla_policy_key] = []
    /// The same of blocks.
    var unusedBlocks: [malla_block_key] = []

    /// No change.
    init() {}

    /// How many entries are written before any are deleted.
    var written: Int { added.count + (next?.entries.count ?? 0) }
    /// How many blocks are.
    var writtenBlocks: Int { addedBlocks.count + nextBlocks.count }

    /// What leads from what the maps hold to `wanted`, whose keys have no generation.
    ///
    /// A scope without an entry of its own has no blocks either: every scope has its head.
    init(
        from present: (entries: Entries, blocks: Blocks), inForce generation: UInt32,
        to wanted: (entries: Entries, blocks: Blocks), next: UInt32
    ) {
        let old = Dictionary(grouping: present.entries.filter { $0.key.generation == generation }, by: \.key.scope)
        let new = Dictionary(grouping: wanted.entries, by: \.key.scope)
        let oldBlocks = Dictionary(grouping: present.blocks.filter { $0.key.generation == generation }, by: \.key.scope)
        let newBlocks = Dictionary(grouping: wanted.blocks, by: \.key.scope)
        unused = present.entries.map(\.key).filter { $0.generation != generation }
        unusedBlocks = present.blocks.map(\.key).filter { $0.generation != generation }
        if generation != 0 {
            added = new.filter { old[$0.key] == nil }.flatMap { Self.under(generation, $0.value) }
            addedBlocks = newBlocks.filter { old[$0.key] == nil }.flatMap { Self.under(generation, $0.value) }
        }
        let gone = old.filter { new[$0.key] == nil }.flatMap(\.value)
        let goneBlocks = oldBlocks.filter { new[$0.key] == nil }.flatMap(\.value)
        let isSame = new.allSatisfy { scope, entries in
            guard let before = old[scope] else { return true }
            return Self.isSame(before, entries) && Self.isSame(oldBlocks[scope] ?? [], newBlocks[scope] ?? [])
        }
        if isSame, generation != 0 {
            unused += gone.map(\.key)
            unusedBlocks += goneBlocks.map(\.key)
        } else {
            self.next = (next, Self.under(next, wanted.entries) + Self.under(next, gone))
            nextBlocks = Self.under(next, wanted.blocks) + Self.under(next, goneBlocks)
            unused += old.flatMap { $0.value.map(\.key) } + added.map(\.key) + Self.under(next, gone).map(\.key)
            unusedBlocks += oldBlocks.flatMap { $0.value.map(\.key) } + addedBlocks.map(\.key)
            unusedBlocks += Self.under(next, goneBlocks).map(\.key)
        }
    }

    private static func under(_ generation: UInt32, _ entries: Entries) -> Entries {
        entries.map { entry in
            var entry = entry
            entry.key.generation = generation
            return entry
        }
    }

    private static func under(_ generation: UInt32, _ blocks: Blocks) -> Blocks {
        blocks.map { block in
            var block = block
            block.key.generation = generation
            return block
        }
    }

    /// Whether two lists say the same of a scope, whatever their generations.
    private static func isSame(_ a: Entries, _ b: Entries) -> Bool {
        guard a.count == b.count else { return false }
        let values = Dictionary(under(0, a).map { (MapBytes($0.key), MapBytes($0.value)) }) { first, _ in first }
        return under(0, b).allSatisfy { values[MapBytes($0.key)] == MapBytes($0.value) }
    }

    private static func isSame(_ a: Blocks, _ b: Blocks) -> Bool {
        guard a.count == b.count else { return false }
        let values = Dictionary(under(0, a).map { (MapBytes($0.key), MapBytes($0.value)) }) { first, _ in first }
        return under(0, b).allSatisfy { values[MapBytes($0.key)] == MapBytes($0.value) }
    }
}

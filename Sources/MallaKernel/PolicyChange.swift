// SPDX-License-Identifier: Apache-2.0
import CMallaABI

/// What has to be done about the policies, by the steps in which it is done. Pure.
///
/// A set of policies stands under a generation, and is replaced whole by one under the next, so that no decision is
/// made by half of each. Scopes that are only new, or only left behind, do not take that: endpoints refer to them
/// or do not.
struct PolicyChange {
    typealias Entries = [(key: malla_policy_key, value: malla_policy)]

    /// Scopes that are new, under the generation in force.
    var added: Entries = []
    /// The generation to switch to and everything under it, scopes that endpoints may still name among them; `nil`:
    /// the one in force stays.
    var next: (generation: UInt32, entries: Entries)?
    /// Entries of the generation in force that nothing refers to afterwards, or of a generation that nobody reads.
    var unused: [malla_policy_key] = []

    /// No change.
    init() {}

    /// How many entries are written before any are deleted.
    var written: Int { added.count + (next?.entries.count ?? 0) }

    /// What leads from what the map holds to `wanted`, whose keys have no generation.
    init(from present: Entries, inForce generation: UInt32, to wanted: Entries, next: UInt32) {
        let old = Dictionary(grouping: present.filter { $0.key.generation == generation }, by: \.key.scope)
        let new = Dictionary(grouping: wanted, by: \.key.scope)
        unused = present.map(\.key).filter { $0.generation != generation }
        if generation != 0 {
            added = new.filter { old[$0.key] == nil }.flatMap { Self.under(generation, $0.value) }
        }
        let gone = old.filter { new[$0.key] == nil }.flatMap(\.value)
        let isSame = new.allSatisfy { scope, entries in old[scope].map { Self.isSame($0, entries) } ?? true }
        if isSame, generation != 0 {
            unused += gone.map(\.key)
        } else {
            self.next = (next, Self.under(next, wanted) + Self.under(next, gone))
            unused += old.flatMap { $0.value.map(\.key) } + added.map(\.key) + Self.under(next, gone).map(\.key)
        }
    }

    private static func under(_ generation: UInt32, _ entries: Entries) -> Entries {
        entries.map { entry in
            var entry = entry
            entry.key.generation = generation
            return entry
        }
    }

    /// Whether two lists say the same of a scope, whatever their generations.
    private static func isSame(_ a: Entries, _ b: Entries) -> Bool {
        guard a.count == b.count else { return false }
        let values = Dictionary(under(0, a).map { (MapBytes($0.key), MapBytes($0.value)) }) { first, _ in first }
        return under(0, b).allSatisfy { values[MapBytes($0.key)] == MapBytes($0.value) }
    }
}

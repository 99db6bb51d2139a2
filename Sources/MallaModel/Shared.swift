// SPDX-License-Identifier: Apache-2.0

/// A large value behind one word: copies share it, a change makes another one. Two copies of one value are told to be
/// equal without a look at it.
struct Shared<Value: Hashable & Sendable>: Hashable, Sendable {
    private final class Storage: Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    private var storage: Storage

    init(_ value: Value) { storage = Storage(value) }

    var value: Value {
        get { storage.value }
        set { storage = Storage(newValue) }
    }

    static func == (a: Shared, b: Shared) -> Bool { a.storage === b.storage || a.storage.value == b.storage.value }

    func hash(into hasher: inout Hasher) { hasher.combine(storage.value) }
}

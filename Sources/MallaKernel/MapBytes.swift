// SPDX-License-Identifier: Apache-2.0

/// A key or a value of a map, compared and hashed by its bytes, as the kernel does it.
struct MapBytes<Value: BitwiseCopyable & Sendable>: Hashable, Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }

    static func == (a: MapBytes, b: MapBytes) -> Bool {
        withUnsafeBytes(of: a.value) { a in withUnsafeBytes(of: b.value) { b in a.elementsEqual(b) } }
    }

    func hash(into hasher: inout Hasher) {
        withUnsafeBytes(of: value) { hasher.combine(bytes: $0) }
    }
}

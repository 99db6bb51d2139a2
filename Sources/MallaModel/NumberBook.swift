// SPDX-License-Identifier: Apache-2.0

/// Small numbers for names. The kernel's maps, records and counters carry numbers; a number keeps its meaning over
/// restarts of the daemon, so the book is saved with the node's state before a number is used.
public struct NumberBook: Sendable, Equatable {
    /// One kind of name.
    public struct Page: Sendable, Equatable {
        /// Number by name.
        public private(set) var numbers: [String: UInt32]
        /// Name by number.
        public private(set) var names: [UInt32: String]
        /// The number that the next new name gets. Numbers are not reused.
        public private(set) var next: UInt32

        /// A page whose first number is `first`.
        public init(first: UInt32) {
            (numbers, names, next) = ([:], [:], first)
        }

        /// A page as it was saved. Duplicate numbers keep one name; `next` is past every number.
        public init(numbers: [String: UInt32], first: UInt32) {
            self.numbers = numbers
            self.names = Dictionary(numbers.map { ($1, $0) }) { a, b in min(a, b) }
            self.next = max(first, (numbers.values.max() ?? 0) &+ 1)
        }

        /// The number of `name`, a new one when it has none.
        public mutating func number(_ name: String) -> UInt32 {
            if let number = numbers[name] { return number }
            let number = next
            next &+= 1
            numbers[name] = number
            names[number] = name
            return number
        }

        /// The name of `number`; `nil` for a number that was never given.
        public func name(_ number: UInt32) -> String? { names[number] }
    }

    /// Principals (`trust-domain/ns/…/sa/…`).
    public var identities = Page(first: 16)
    /// Workloads (`name.namespace`).
    public var workloads = Page(first: 1)
    /// Services (`name.namespace`). The number is also the offset of the service's virtual addresses.
    public var services = Page(first: 1)
    /// Rules (`namespace/policy[index]`).
    public var rules = Page(first: 1)
    /// Policy scopes, by the text of the policies that make them.
    public var scopes = Page(first: 1)

    /// An empty book.
    public init() {}
}

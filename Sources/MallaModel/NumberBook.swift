// SPDX-License-Identifier: Apache-2.0

/// Small numbers for names. The kernel's maps, records and counters carry numbers; a number keeps its meaning over
/// restarts of the daemon, so the book is saved with the node's state before a number is used.
public struct NumberBook: Sendable, Equatable {
    /// One kind of name.
    public struct Page: Sendable, Equatable {
        /// Number by name.
        public private(set) var numbers: [String: UInt32]
        /// Name by number, as far as numbers are dense, which those that were given here are.
        private var names: [String?]
        /// Name by number, for all others.
        private var scattered: [UInt32: String] = [:]
        /// The number that the next new name gets. Numbers are not reused.
        public private(set) var next: UInt32

        /// A page whose first number is `first`.
        public init(first: UInt32) {
            (numbers, names, next) = ([:], [], first)
        }

        /// A page as it was saved. Duplicate numbers keep one name; `next` is past every number.
        public init(numbers: [String: UInt32], first: UInt32) {
            self.numbers = numbers
            self.names = []
            self.next = max(first, (numbers.values.max() ?? 0) &+ 1)
            let dense = min(Int(numbers.values.max() ?? 0) + 1, 2 * numbers.count + 1024)
            names = Array(repeating: nil, count: numbers.isEmpty ? 0 : dense)
            for (name, number) in numbers where self.name(number).map({ name < $0 }) ?? true { know(name, number) }
        }

        /// Makes room for so many names.
        public mutating func reserve(_ count: Int) {
            if count > numbers.capacity { numbers.reserveCapacity(count) }
        }

        /// The number of `name`, a new one when it has none.
        public mutating func number(_ name: String) -> UInt32 {
            if let number = numbers[name] { return number }
            let number = next
            next &+= 1
            numbers[name] = number
            if names.count <= number, number < names.count + 64 {
                names += repeatElement(nil, count: Int(number) - names.count + 1)
            }
            know(name, number)
            return number
        }

        /// The name of `number`; `nil` for a number that was never given.
        public func name(_ number: UInt32) -> String? {
            number < names.count ? names[Int(number)] : scattered[number]
        }

        /// Whether they give the same numbers.
        public static func == (a: Page, b: Page) -> Bool { a.next == b.next && a.numbers == b.numbers }

        private mutating func know(_ name: String, _ number: UInt32) {
            if number < names.count { names[Int(number)] = name } else { scattered[number] = name }
        }
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
    /// Nodes, by name.
    public var nodes = Page(first: 1)

    /// An empty book.
    public init() {}
}

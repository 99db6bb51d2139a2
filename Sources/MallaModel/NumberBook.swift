// SPDX-License-Identifier: Apache-2.0

/// Small numbers for names. The kernel's maps, records and counters carry numbers; a number keeps its meaning over
/// restarts of the daemon, so the book is saved with the node's state before a number is used.
public struct NumberBook: Sendable, Equatable {
    /// One kind of name.
    public struct Page: Sendable, Equatable {
        /// Name by number, as far as numbers are dense, which those that were given here are.
        private var names: [String?] = []
        /// Finds the numbers of these names.
        private var byName = RowIndex()
        /// Names that are not among these: their numbers are far apart, or others have them too.
        private var others: [String: UInt32] = [:]
        /// Name by number, of these.
        private var scattered: [UInt32: String] = [:]
        /// How many names there are.
        public private(set) var count = 0
        /// The number that the next new name gets. Numbers are not reused.
        public private(set) var next: UInt32

        /// A page whose first number is `first`.
        public init(first: UInt32) { next = first }

        /// A page as it was saved. Duplicate numbers keep one name; `next` is past every number.
        public init(numbers: [String: UInt32], first: UInt32) {
            self.next = max(first, (numbers.values.max() ?? 0) &+ 1)
            let dense = min(Int(numbers.values.max() ?? 0) + 1, 2 * numbers.count + 1024)
            names = Array(repeating: nil, count: numbers.isEmpty ? 0 : dense)
            byName.reserve(numbers.count) { _ in 0 }
            for (name, number) in numbers.sorted(by: { $0.key < $1.key }) { know(name, number) }
        }

        /// The number of a name that has one.
        public subscript(name: String) -> UInt32? {
            let place = byName.first(hash: name.hashValue) { names[$0] == name }
            return place.map { UInt32(truncatingIfNeeded: $0) } ?? (others.isEmpty ? nil : others[name])
        }

        /// All names with their numbers, in no order.
        public var entries: [(name: String, number: UInt32)] {
            var entries: [(name: String, number: UInt32)] = []
            entries.reserveCapacity(count)
            for (number, name) in names.enumerated() {
                if let name { entries.append((name, UInt32(truncatingIfNeeded: number))) }
            }
            for (name, number) in others { entries.append((name, number)) }
            return entries
        }

        /// Number by name.
        public var numbers: [String: UInt32] { Dictionary(entries.map { ($0.name, $0.number) }) { first, _ in first } }

        /// Makes room for so many names.
        public mutating func reserve(_ count: Int) {
            names.reserveCapacity(count)
            byName.reserve(count) { [names] in Self.hash(names, $0) }
        }

        /// The number of `name`, a new one when it has none.
        public mutating func number(_ name: String) -> UInt32 {
            if let number = self[name] { return number }
            let number = next
            next &+= 1
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
        public static func == (a: Page, b: Page) -> Bool {
            a.next == b.next && a.count == b.count && a.entries.allSatisfy { b[$0.name] == $0.number }
        }

        /// Writes down a name that is new. Of those that have one number, the first keeps it both ways.
        private mutating func know(_ name: String, _ number: UInt32) {
            count += 1
            if number < names.count, names[Int(number)] == nil {
                names[Int(number)] = name
                byName.add(Int(number)) { [names] in Self.hash(names, $0) }
            } else {
                others[name] = number
                if number >= names.count, scattered[number] == nil { scattered[number] = name }
            }
        }

        private static func hash(_ names: [String?], _ place: Int) -> Int { names[place]?.hashValue ?? 0 }
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

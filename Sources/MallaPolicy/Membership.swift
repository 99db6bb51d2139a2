// SPDX-License-Identifier: Apache-2.0

/// A set that is written down by what is in it, or by what is not. `not` lists make the second kind: "all but these",
/// which nobody has to enumerate.
enum Membership<Element: Hashable & Sendable>: Sendable, Equatable {
    /// These.
    case only(Set<Element>)
    /// All but these.
    case allBut(Set<Element>)

    /// Everything there is.
    static var all: Self { .allBut([]) }

    /// Whether nothing is in it.
    var isEmpty: Bool {
        if case .only(let elements) = self { return elements.isEmpty }
        return false
    }

    /// Whether `element` is in it.
    func contains(_ element: Element) -> Bool {
        switch self {
        case .only(let elements): elements.contains(element)
        case .allBut(let elements): !elements.contains(element)
        }
    }

    /// What is not in it.
    var complement: Self {
        switch self {
        case .only(let elements): .allBut(elements)
        case .allBut(let elements): .only(elements)
        }
    }

    /// What is in both.
    func intersection(_ other: Self) -> Self {
        switch (self, other) {
        case (.only(let a), .only(let b)): .only(a.intersection(b))
        case (.only(let a), .allBut(let b)), (.allBut(let b), .only(let a)): .only(a.subtracting(b))
        case (.allBut(let a), .allBut(let b)): .allBut(a.union(b))
        }
    }

    /// What is in either.
    func union(_ other: Self) -> Self { complement.intersection(other.complement).complement }
}

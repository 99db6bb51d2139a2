// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaKernel
import MallaModel

/// Names for the numbers of records, counters and events. Numbers that nobody gave out are empty.
struct Names: Sendable {
    private let book: NumberBook

    init(_ book: NumberBook) { self.book = book }

    /// A SPIFFE id; `proxy` for the node proxy.
    func identity(_ number: UInt32) -> String {
        if number == UInt32(MALLA_IDENTITY_PROXY) { return "proxy" }
        return book.identities.name(number).map { "spiffe://\($0)" } ?? ""
    }

    /// `name.namespace`.
    func workload(_ number: UInt32) -> String { book.workloads.name(number) ?? "" }

    /// `name.namespace`.
    func service(_ number: UInt32) -> String { book.services.name(number) ?? "" }

    /// `namespace/policy[index]`; `nil`: a default.
    func rule(_ number: UInt32) -> String? { book.rules.name(number) }

    /// For dumps of maps.
    var numbers: NumberNames {
        let book = book
        return NumberNames { number in
            book.identities.name(number)
        } workload: { number in
            book.workloads.name(number)
        } service: { number in
            book.services.name(number)
        } rule: { number in
            book.rules.name(number)
        }
    }
}

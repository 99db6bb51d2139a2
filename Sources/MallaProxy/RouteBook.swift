// SPDX-License-Identifier: Apache-2.0

import MallaModel
import MallaRouting

/// The compiled routes of a view. Immutable; what did not change is taken over from the view before, so that a change
/// elsewhere compiles nothing anew.
final class RouteBook: Sendable {
    /// The rules of one port, for everybody or for the clients of one namespace.
    final class Page: Sendable {
        /// Told apart from every page that was there before, so that a response is never changed by another page's
        /// rules than its request.
        let number: UInt32
        /// `nil`: it could not be compiled. Its requests are answered by 500.
        let table: RouteTable?

        fileprivate init(number: UInt32, table: RouteTable?) {
            self.number = number
            self.table = table
        }
    }

    /// Where a page's backends lead: places of ports, -1 for a port that is not there. By rule, then by backend.
    struct Leads: Sendable {
        fileprivate let first: [Int]
        fileprivate let ports: [Int32]
        fileprivate let firstMirror: [Int]
        fileprivate let mirrors: [Int32]

        /// The place of the port that a rule's backend means; `nil`: it is not there.
        func port(rule: Int, backend: Int) -> Int? {
            let place = ports[first[rule] + backend]
            return place < 0 ? nil : Int(place)
        }

        /// The place of the port that a rule's mirror means; `nil`: it is not there.
        func port(rule: Int, mirror: Int) -> Int? {
            let place = mirrors[firstMirror[rule] + mirror]
            return place < 0 ? nil : Int(place)
        }
    }

    let pages: [Page]
    /// As many as there are pages.
    let leads: [Leads]
    /// Pages for everybody, by the port's place; -1: none.
    private let general: [Int32]
    /// Pages for clients of a namespace, by the port's place and the client's identity.
    private let special: [UInt64: Int]
    private let numbers: NumberIndex
    /// What can be taken over.
    private let compiled: [RouteSet: Page]
    private let nextNumber: UInt32

    /// The routes of a snapshot whose ports stand in `ports`, in the order of their places.
    init(
        _ ports: [(service: ObjectName, port: Snapshot.ServicePort)], identities: [UInt32: Identity],
        after former: RouteBook?
    ) {
        var places: [ObjectName: [UInt16: Int]] = [:]
        for (place, entry) in ports.enumerated() { places[entry.service, default: [:]][entry.port.port] = place }

        var pages: [Page] = []
        var leads: [Leads] = []
        var general = [Int32](repeating: -1, count: ports.count)
        var special: [UInt64: Int] = [:]
        var compiled: [RouteSet: Page] = [:]
        var number = former?.nextNumber ?? 1
        for (place, entry) in ports.enumerated() {
            for set in entry.port.routes {
                let page: Page
                if let known = compiled[set] ?? former?.compiled[set] {
                    page = known
                } else {
                    // Resources were checked by the same code, so this fails only between different versions.
                    page = Page(number: number, table: try? RouteTable(set.rules))
                    number &+= 1
                }
                compiled[set] = page
                if let namespace = set.clientNamespace {
                    for (identity, name) in identities where name.namespace == namespace {
                        special[Self.key(place, identity)] = pages.count
                    }
                } else {
                    general[place] = Int32(truncatingIfNeeded: pages.count)
                }
                pages.append(page)
                leads.append(Self.leads(of: set, places))
            }
        }
        self.pages = pages
        self.leads = leads
        self.general = general
        self.special = special
        self.compiled = compiled
        nextNumber = number
        numbers = NumberIndex(
            Dictionary(pages.enumerated().map { (UInt64($1.number), $0) }, uniquingKeysWith: { first, _ in first }))
    }

    /// The place of the page that holds for a client at a port; `nil`: the service itself takes its requests.
    @inline(__always)
    func page(at port: Int, for identity: UInt32) -> Int? {
        if !special.isEmpty, let place = special[Self.key(port, identity)] { return place }
        let place = general[port]
        return place < 0 ? nil : Int(place)
    }

    /// The page with this number, if it is still in force.
    func table(number: UInt32) -> RouteTable? { numbers[UInt64(number)].flatMap { pages[$0].table } }

    /// Where the backend that was drawn leads now; `nil`: the rule is no longer in force, or the port is gone.
    func port(of matched: MatchedRule) -> Int? {
        guard matched.backend >= 0, let place = numbers[UInt64(matched.page)] else { return nil }
        return leads[place].port(rule: Int(matched.rule), backend: Int(matched.backend))
    }

    /// Where a mirror of the rule leads now.
    func port(mirror: Int, of matched: MatchedRule) -> Int? {
        guard let place = numbers[UInt64(matched.page)] else { return nil }
        return leads[place].port(rule: Int(matched.rule), mirror: mirror)
    }

    private static func key(_ place: Int, _ identity: UInt32) -> UInt64 {
        UInt64(truncatingIfNeeded: place) << 32 | UInt64(identity)
    }

    private static func leads(of set: RouteSet, _ places: [ObjectName: [UInt16: Int]]) -> Leads {
        var first: [Int] = []
        var ports: [Int32] = []
        var firstMirror: [Int] = []
        var mirrors: [Int32] = []
        for rule in set.rules {
            firstMirror.append(mirrors.count)
            for filter in rule.filters {
                guard case .mirror(let mirror) = filter else { continue }
                mirrors.append(Int32(truncatingIfNeeded: places[mirror.service]?[mirror.port] ?? -1))
            }
            first.append(ports.count)
            for backend in rule.backends {
                ports.append(Int32(truncatingIfNeeded: places[backend.service]?[backend.port] ?? -1))
            }
        }
        return Leads(first: first, ports: ports, firstMirror: firstMirror, mirrors: mirrors)
    }
}

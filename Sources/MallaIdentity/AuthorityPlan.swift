// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// Which of an authority's roots are trusted and which one issues; and how a root is replaced by another without a
/// moment in which somebody is not trusted:
///
/// 1. *add*: the next root is trusted beside the one that issues;
/// 2. *prove*: every node has said that it trusts it;
/// 3. *switch*: it issues, and every node renews what the former one issued;
/// 4. *prove*: every node has said that nothing of the former one's is in use;
/// 5. *retire*: the former one is trusted no longer.
///
/// Steps 1 and 3 are taken back by ``abort()``.
public struct AuthorityPlan: Sendable, Equatable, Codable {
    /// Where a rotation is.
    public enum Phase: String, Sendable, Codable {
        /// There is none.
        case steady
        /// The next root is trusted and issues nothing.
        case adding
        /// The next root issues; the former one is still trusted.
        case switched
    }

    /// Where a rotation is.
    public private(set) var phase = Phase.steady
    /// The number of the root that issues.
    public private(set) var issuing: Int
    /// Numbers of the roots that are trusted.
    public private(set) var trusted: [Int]
    /// The root beside the one that issues: the next one, or the former one.
    public var other: Int? { trusted.first { $0 != issuing } }
    private var highest: Int

    /// One root that issues and is trusted, as others may be.
    public init(issuing: Int = 1, trusted: [Int] = [1]) {
        self.issuing = issuing
        self.trusted = [issuing] + trusted.filter { $0 != issuing }
        highest = max(issuing, trusted.max() ?? issuing)
        if self.trusted.count > 1 { phase = .switched }
    }

    /// Begins a rotation.
    ///
    /// - Returns: the number of the root to be made.
    public mutating func begin() throws(IdentityProblem) -> Int {
        guard phase == .steady else {
            throw IdentityProblem(
                .invalid, "a rotation is under way (\(phase.rawValue)): go on with it, or abort it: malla ca rotate")
        }
        highest += 1
        trusted.append(highest)
        phase = .adding
        return highest
    }

    /// Takes the next step. Throws, and changes nothing, while there are nodes that it would cost their connections.
    ///
    /// - Parameter force: whether such nodes are left behind.
    public mutating func advance(
        _ coverage: RotationCoverage, fingerprints: [Int: String], force: Bool = false
    ) throws(IdentityProblem) {
        guard let other, let fingerprint = fingerprints[other] else {
            throw IdentityProblem(.invalid, "there is no rotation under way: begin one with malla ca rotate start")
        }
        let behind = coverage.nodes.filter { self.behind($0.value, fingerprint) != nil }
        guard force || behind.isEmpty else {
            let what = phase == .adding ? "do not trust the next root yet" : "still use certificates of the former root"
            throw IdentityProblem(
                .denied,
                "\(behind.count) nodes \(what): \(behind.keys.sorted().prefix(10).joined(separator: ", ")). Wait for "
                    + "them, or leave them behind with --force")
        }
        if phase == .adding {
            issuing = other
            phase = .switched
        } else {
            trusted = [issuing]
            phase = .steady
        }
    }

    /// What a node lacks for the next step, of which the root beside the issuing one has this fingerprint; `nil`: nothing.
    public func behind(_ node: RotationCoverage.Node, _ fingerprint: String) -> String? {
        switch phase {
        case .steady: nil
        case .adding: node.trusted.contains(fingerprint) ? nil : "does not trust the next root yet"
        case .switched: node.inUse.contains(fingerprint) ? "uses certificates of the former root" : nil
        }
    }

    /// Goes back: a root that was added is trusted no longer, as nothing is of it; one that issues hands over to the
    /// former one again, and is retired like that one would have been.
    public mutating func abort() throws(IdentityProblem) {
        guard let other else {
            throw IdentityProblem(.invalid, "there is no rotation under way, so there is nothing to abort")
        }
        if phase == .adding {
            trusted = [issuing]
            phase = .steady
        } else {
            issuing = other
        }
    }

    /// For a file.
    public func encoded() throws(IdentityProblem) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(self))
        } catch {
            throw IdentityProblem(.broken, "the plan of the authority cannot be written: \(error)")
        }
    }

    /// What ``encoded()`` wrote.
    public init(encoded bytes: [UInt8], path: String) throws(IdentityProblem) {
        do {
            self = try JSONDecoder().decode(AuthorityPlan.self, from: Data(bytes))
        } catch {
            throw IdentityProblem(.broken, "\(path) cannot be understood: restore it, or remove it: \(error)")
        }
        guard trusted.contains(issuing), (1...2).contains(Set(trusted).count), Set(trusted).count == trusted.count,
            (trusted.count == 1) == (phase == .steady)
        else { throw IdentityProblem(.broken, "\(path) contradicts itself: restore it, or remove it") }
    }
}

/// What the nodes have said of roots.
public struct RotationCoverage: Sendable, Equatable {
    /// What one node has said.
    public struct Node: Sendable, Equatable, Codable {
        /// Fingerprints of the roots that it trusts.
        public var trusted: Set<String>
        /// Fingerprints of the roots of the certificates that it uses.
        public var inUse: Set<String>
        /// When it said so, in seconds since 1970; 0: never.
        public var heard: Int64

        /// What a node has said.
        public init(trusted: Set<String> = [], inUse: Set<String> = [], heard: Int64 = 0) {
            self.trusted = trusted
            self.inUse = inUse
            self.heard = heard
        }
    }

    /// Every node that must not be left behind.
    public var nodes: [String: Node]

    /// What these nodes have said.
    public init(nodes: [String: Node] = [:]) { self.nodes = nodes }

    /// For a file.
    public func encoded() throws(IdentityProblem) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(nodes))
        } catch {
            throw IdentityProblem(.broken, "the list of nodes cannot be written: \(error)")
        }
    }

    /// What ``encoded()`` wrote.
    public init(encoded bytes: [UInt8], path: String) throws(IdentityProblem) {
        do {
            nodes = try JSONDecoder().decode([String: Node].self, from: Data(bytes))
        } catch {
            throw IdentityProblem(.broken, "\(path) cannot be understood: restore it, or remove it: \(error)")
        }
    }
}

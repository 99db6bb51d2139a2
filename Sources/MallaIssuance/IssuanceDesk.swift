// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
public import Logging
public import MallaIdentity
public import MallaModel
import MallaSources

/// Who may have what of this node's authority.
///
/// A node joins with a token that was made for its name, and gets a certificate of its own by that; with it, it gets
/// certificates for the identities of workloads that run on it, and for no others.
public actor IssuanceDesk {
    private let authority: any CertificateAuthority
    private let directory: String
    private let lifetime: Int64
    private let now: @Sendable () -> Int64
    private let logger: Logger
    private let runs: @Sendable (_ node: String, _ identity: Identity) async -> Bool
    private var trustDomain = ""
    private var tokens: JoinTokens?
    private var nodes: [String: RotationCoverage.Node]?
    /// When nodes were expelled, in seconds since 1970.
    private var expulsions: [String: Int64]?

    /// A desk of an authority.
    ///
    /// - Parameters:
    ///   - directory: where tokens and nodes are kept.
    ///   - lifetime: the longest that workloads' certificates are valid.
    ///   - runs: whether a workload of an identity is on a node.
    public init(
        _ authority: any CertificateAuthority, directory: String, lifetime: Int64, now: @escaping @Sendable () -> Int64,
        logger: Logger, runs: @escaping @Sendable (_ node: String, _ identity: Identity) async -> Bool
    ) {
        self.authority = authority
        self.directory = directory
        self.lifetime = lifetime
        self.now = now
        self.logger = logger
        self.runs = runs
    }

    /// Says of which domain the mesh is.
    public func use(trustDomain: String) { self.trustDomain = trustDomain }

    // MARK: Calls

    /// Answers a call of a peer that proved to be a node, or has shown a token, or neither.
    func answer(_ path: String, _ message: ArraySlice<UInt8>, _ caller: Caller) async throws -> [UInt8] {
        // Of the same second, too: who asks for a new certificate each second would never be rid of.
        if case .node(let name, let since) = caller, let expulsion = try knownExpulsions()[name], since <= expulsion {
            throw IdentityProblem(
                .denied, "the node \(name) was expelled: a new token lets it in again: malla ca token create")
        }
        switch path {
        case CertificateCall.path: return try await create(try CertificateCall(message), caller).encoded
        case TrustCall.path: return try await exchange(try TrustCall(message), caller).encoded
        default: throw IdentityProblem(.invalid, "there is no such call here")
        }
    }

    private func create(_ call: CertificateCall, _ caller: Caller) async throws -> CertificateAnswer {
        let request = try SigningRequest(call.request)
        guard request.subject.trustDomain == trustDomain else {
            throw IdentityProblem(
                .denied, "\(request.subject) is of another trust domain than \(trustDomain), which is issued here")
        }
        var longest = lifetime
        switch (request.subject, caller) {
        case (.node(_, let name), .node(let own, _)) where own == name: longest = Authority.Lifetime.node
        case (.node(_, let name), .node(let own, _)):
            throw IdentityProblem(.denied, "the node \(own) cannot have a certificate of the node \(name)")
        case (.node(_, let name), .token(let token)):
            if let expulsion = try knownExpulsions()[name], now() <= expulsion {
                throw IdentityProblem(.unavailable, "the node \(name) was expelled this second: try again in the next")
            }
            try redeem(token, node: name)
            longest = Authority.Lifetime.node
        case (.node(_, let name), .nobody):
            throw IdentityProblem(
                .unauthenticated,
                "the node \(name) is to join with a token: malla ca token create --node \(name), then --ca-token FILE")
        case (.workload(let identity), .node(let own, _)):
            guard await runs(own, identity) else {
                throw IdentityProblem(.denied, "no workload of \(identity) runs on the node \(own)")
            }
        case (.workload, _):
            throw IdentityProblem(
                .unauthenticated, "only a node that has joined gets certificates for workloads: show its certificate")
        }
        let seconds = call.lifetime > 0 ? min(call.lifetime, longest) : longest
        let issued = try await authority.sign(request, lifetime: seconds)
        logger.info(
            "issued a certificate",
            metadata: ["for": "\(request.subject)", "to": "\(caller)", "serial": "\(issued.chain.serial)"])
        return CertificateAnswer(chain: issued.chain.each + issued.anchors.all.map(\.pem))
    }

    private func exchange(_ call: TrustCall, _ caller: Caller) async throws -> TrustAnswer {
        guard case .node(let name, _) = caller else {
            throw IdentityProblem(.unauthenticated, "only a node that has joined reports what it trusts")
        }
        try heard(name, RotationCoverage.Node(trusted: call.trusted, inUse: call.inUse, heard: now()))
        return TrustAnswer(try await authority.trust(of: trustDomain))
    }

    // MARK: Nodes

    /// What nodes have said, of those that may still hold certificates.
    public func coverage() throws -> RotationCoverage {
        let time = now()
        return RotationCoverage(
            nodes: try knownNodes().filter { $0.value.heard > time - Authority.Lifetime.node })
    }

    /// Takes down what a node has said.
    public func heard(_ name: String, _ node: RotationCoverage.Node) throws {
        var all = try knownNodes()
        let former = all[name]
        all[name] = node
        nodes = all
        // Most of the time nothing is new; when it was said matters by the day only.
        if former?.trusted != node.trusted || former?.inUse != node.inUse || node.heard - (former?.heard ?? 0) > 86_400
        {
            try StateFile.makeDirectory(directory)
            try StateFile.write(try RotationCoverage(nodes: all).encoded(), to: nodesPath)
        }
    }

    /// Refuses whatever certificates a node has got until now: it can come back with a new token alone.
    public func expel(_ name: String) throws {
        guard Subject.canBeNode(name) else { throw IdentityProblem(.invalid, "\"\(name)\" cannot be a node's name") }
        var all = try knownExpulsions()
        all[name] = now()
        try StateFile.makeDirectory(directory)
        try StateFile.write(Array(try JSONEncoder().encode(all)), to: expulsionsPath)
        expulsions = all
        guard try knownNodes()[name] != nil else { return }
        nodes?[name] = nil
        try StateFile.write(try RotationCoverage(nodes: try knownNodes()).encoded(), to: nodesPath)
    }

    private var expulsionsPath: String { "\(directory)/expelled.json" }

    private func knownExpulsions() throws -> [String: Int64] {
        if let expulsions { return expulsions }
        var read: [String: Int64] = [:]
        if let bytes = try StateFile.read(expulsionsPath) {
            do {
                read = try JSONDecoder().decode([String: Int64].self, from: Data(bytes))
            } catch {
                throw IdentityProblem(.broken, "\(expulsionsPath) cannot be understood: restore it: \(error)")
            }
        }
        expulsions = read
        return read
    }

    private var nodesPath: String { "\(directory)/nodes.json" }

    private func knownNodes() throws -> [String: RotationCoverage.Node] {
        if let nodes { return nodes }
        let read = try StateFile.read(nodesPath).map { try RotationCoverage(encoded: $0, path: nodesPath).nodes } ?? [:]
        nodes = read
        return read
    }

    // MARK: Tokens

    private var tokensPath: String { "\(directory)/tokens.json" }

    /// Makes a token that lets a node join.
    public func createToken(node: String, lifetime: Int64) throws -> String {
        var all = try knownTokens()
        let token = try all.create(node: node, lifetime: lifetime, now: now())
        try save(all)
        return token
    }

    /// Tokens without their secrets.
    public func tokenEntries() throws -> [JoinTokens.Entry] { try knownTokens().entries }

    /// Takes a token back.
    public func revokeToken(id: String) throws -> Bool {
        var all = try knownTokens()
        guard all.revoke(id: id) else { return false }
        try save(all)
        return true
    }

    private func redeem(_ token: String, node: String) throws {
        var all = try knownTokens()
        try all.redeem(token, node: node, now: now())
        // On the disk before anything is issued: a crash in between costs a token, not its being used once.
        try save(all)
    }

    private func knownTokens() throws -> JoinTokens {
        if let tokens { return tokens }
        let read = try SecretFile.read(tokensPath).map { try JoinTokens(encoded: $0, path: tokensPath) } ?? JoinTokens()
        tokens = read
        return read
    }

    private func save(_ all: JoinTokens) throws {
        try StateFile.makeDirectory(directory)
        try SecretFile.write(try all.encoded(), to: tokensPath)
        tokens = all
    }
}

/// What a peer has proved.
enum Caller: Sendable, Equatable, CustomStringConvertible {
    /// It has shown this token, of which nothing is known yet.
    case token(String)
    /// It is the node of this name, by a certificate from this time on.
    case node(String, since: Int64)
    /// Nothing.
    case nobody

    var description: String {
        switch self {
        case .token: "whoever has a token"
        case .node(let name, _): "node \(name)"
        case .nobody: "nobody"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import MallaModel
import TLSWire

/// What this node's workloads prove themselves with, and by what their peers are judged. Immutable; replaced whole, which
/// disturbs no connection that stands.
final class CredentialBook: Sendable {
    /// One identity's.
    struct Entry: Sendable {
        /// For tunnels from it.
        let client: TLSSettings
        /// For tunnels to it.
        let server: TLSSettings
    }

    private let entries: [SPIFFEName: Entry]
    /// For tunnels to any of them.
    let directory: TLSDirectory
    private let domains: Set<String>

    fileprivate init(_ entries: [SPIFFEName: Entry], domains: Set<String>) {
        self.entries = entries
        self.domains = domains
        var names: [String: TLSSettings] = [:]
        for (name, entry) in entries { names[name.serverName] = entry.server }
        directory = TLSDirectory(names)
    }

    /// What an identity proves itself with.
    func entry(of name: SPIFFEName) -> Entry? { entries[name] }

    /// Whether peers of a trust domain are taken at all.
    func trusts(_ domain: String) -> Bool { domains.contains(domain) }
}

/// With what tunnels are made.
struct TunnelMeans: Sendable {
    let book: CredentialBook
    let handshakers: Handshakers
    let reserved: ReservedPorts
}

extension SPIFFEName {
    /// The name of an identity, if it has one that a certificate can carry.
    init?(_ identity: Identity) { self.init(identity.spiffeID) }

    /// What a client asks a node for that serves many: as `Identity.serverName`.
    var serverName: String { "\(account).\(namespace).\(trustDomain)" }
}

/// Makes books from what the daemon sends bit by bit. A thing that cannot be used changes nothing.
struct CredentialDesk: Sendable {
    private var credentials: [SPIFFEName: Credential] = [:]
    private var entries: [SPIFFEName: CredentialBook.Entry] = [:]
    private var trust: Trust?
    private var domains: Set<String> = []
    /// Shared by all, so that a peer's chain is verified once for all that it talks to.
    private let chains = VerifiedChains(limit: 4096)

    private static let protocols = ["h2"]

    /// The book of what there is.
    var book: CredentialBook { CredentialBook(entries, domains: domains) }

    /// An identity has this certificate and key from now on.
    mutating func take(_ credential: Credential) throws(TLSProblem) {
        guard let name = SPIFFEName(credential.identity) else {
            throw TLSProblem(description: "no certificate can name \(credential.identity.spiffeID)")
        }
        if let trust { entries[name] = try entry(credential, name, trust) }
        credentials[name] = credential
    }

    /// An identity has none any more.
    mutating func withdraw(_ identity: Identity) {
        guard let name = SPIFFEName(identity) else { return }
        credentials[name] = nil
        entries[name] = nil
    }

    /// Peers are judged by these roots alone from now on.
    mutating func take(_ bundles: [TrustBundle]) throws(TLSProblem) {
        let trust = try Trust(Dictionary(bundles.map { ($0.domain, $0.roots) }) { $0 + $1 })
        var entries: [SPIFFEName: CredentialBook.Entry] = [:]
        for (name, credential) in credentials { entries[name] = try entry(credential, name, trust) }
        self.trust = trust
        self.entries = entries
        domains = Set(bundles.map(\.domain))
    }

    private func entry(
        _ credential: Credential, _ name: SPIFFEName, _ trust: Trust
    ) throws(TLSProblem) -> CredentialBook.Entry {
        let own = TLSSettings.Credentials(chain: credential.chain, key: credential.key)
        return CredentialBook.Entry(
            client: try TLSSettings(
                .client, own, owner: name, trust: trust, protocols: Self.protocols, chains: chains),
            server: try TLSSettings(
                .server, own, owner: name, trust: trust, protocols: Self.protocols, chains: chains))
    }
}

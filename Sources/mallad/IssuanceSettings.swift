// SPDX-License-Identifier: Apache-2.0
import MallaIdentity
import MallaModel

/// Where certificates come from, checked.
struct IssuanceSettings: Sendable {
    /// Who issues.
    enum Issuer: Sendable, Equatable {
        /// Nobody: no other node can be reached.
        case nobody
        /// An authority in the state directory.
        case builtIn
        /// An authority from files.
        case files(certificate: String, key: String)
        /// Another node's.
        case remote(SocketAddress, root: Root?)
        /// A SPIFFE Workload API at this socket, such as a SPIRE agent's.
        case workloadAPI(String)
    }

    /// How another node's authority is known.
    enum Root: Sendable, Equatable {
        case file(String)
        case fingerprint(String)
    }

    var issuer: Issuer
    /// The file with the token that lets this node join.
    var token: String?
    /// Where this node's authority serves others.
    var listen: SocketAddress?
    /// Where applications get their own certificates.
    var workloadAPI: String?
    /// In seconds.
    var lifetime: Int64

    /// Checks the flags. Throws what is wrong with one of them.
    init(_ flags: Mallad, node: String) throws {
        lifetime = flags.certificateLifetime
        guard (Authority.Lifetime.shortest...Authority.Lifetime.intermediate).contains(lifetime) else {
            throw SettingError("--certificate-lifetime \(lifetime): give 10 seconds to a year")
        }
        switch flags.ca {
        case "off": issuer = .nobody
        case "local":
            switch (flags.caCert, flags.caKey) {
            case (nil, nil): issuer = .builtIn
            case (let certificate?, let key?):
                issuer = .files(certificate: Settings.absolute(certificate), key: Settings.absolute(key))
            default: throw SettingError("--ca-cert and --ca-key belong together: give both")
            }
        case let text where text.hasPrefix("unix:"):
            // Also as SPIFFE_ENDPOINT_SOCKET has it: unix:///path.
            let path = text.dropFirst("unix:".count)
            issuer = .workloadAPI(Settings.absolute(String(path)))
            guard path.contains(where: { $0 != "/" }) else {
                throw SettingError("--ca unix: is followed by the path of the Workload API's socket")
            }
        default:
            guard let address = SocketAddress(text: flags.ca) else {
                throw SettingError("--ca \(flags.ca) is neither off, local, unix:PATH, nor an address with a port")
            }
            issuer = .remote(address, root: try flags.caRoot.map(Self.root))
        }
        if flags.caCert != nil || flags.caKey != nil, flags.ca != "local" {
            throw SettingError("--ca-cert and --ca-key are for an authority of this node: add --ca local")
        }
        if case .workloadAPI(let path) = issuer, flags.workloadApi.map(Settings.absolute) == path {
            throw SettingError("--workload-api and --ca unix: are the same socket: one is served, the other is asked")
        }
        workloadAPI = flags.workloadApi.map(Settings.absolute)
        guard workloadAPI == nil || issuer != .nobody else {
            throw SettingError("--workload-api serves certificates, and nobody issues any: add --ca")
        }
        token = flags.caToken.map(Settings.absolute)
        if let text = flags.caListen {
            guard flags.ca == "local" else {
                throw SettingError("--ca-listen serves an authority of this node: add --ca local")
            }
            guard let address = SocketAddress(text: text) else {
                throw SettingError("--ca-listen \(text) is no address with a port, such as 10.0.0.1:15012")
            }
            listen = address
        }
        guard issuer == .nobody || Subject.canBeNode(node) else {
            throw SettingError(
                "--node \(node) cannot stand in a certificate: use letters, digits, dots, dashes and underscores")
        }
    }

    private static func root(_ text: String) throws -> Root {
        guard text.hasPrefix("sha256:") else { return .file(Settings.absolute(text)) }
        let digits = text.dropFirst("sha256:".count).lowercased().filter { $0 != ":" }
        guard digits.count == 64, digits.allSatisfy(\.isHexDigit) else {
            throw SettingError("--ca-root \(text): a SHA-256 has 64 hexadecimal digits")
        }
        return .fingerprint(digits)
    }
}

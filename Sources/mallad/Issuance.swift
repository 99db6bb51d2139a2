// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaIdentity
import MallaIssuance
import ServiceLifecycle

/// This node's part in identity: the credentials of its workloads, and the authority if it has one.
struct Issuance: Sendable {
    let credentials: Credentials
    /// The authority of this node, whichever kind.
    let authority: (any CertificateAuthority)?
    /// The same if it is the built-in one.
    let builtIn: BuiltInAuthority?

    /// What the settings ask for; `nil`: nothing.
    init?(_ settings: Settings, logger: Logger) throws {
        let now: @Sendable () -> Int64 = { Int64(WallClock.seconds()) }
        let source: any CertificateSource
        switch settings.issuance.issuer {
        case .nobody: return nil
        case .builtIn:
            let made = BuiltInAuthority(directory: "\(settings.state)/ca", node: settings.node, now: now)
            builtIn = made
            authority = made
            source = LocalSource(made)
        case .files(let certificate, let key):
            let made = try PluggedAuthority(certificate: certificate, key: key, now: now)
            builtIn = nil
            authority = made
            source = LocalSource(made)
        case .remote:
            throw SettingError("--ca with the address of another node is not there yet")
        }
        credentials = Credentials(
            source: source, directory: "\(settings.state)/identity", lifetime: settings.issuance.lifetime, now: now,
            logger: logger)
    }
}

/// Renews certificates.
struct CredentialLoop: ServiceLifecycle.Service {
    let credentials: Credentials

    func run() async throws {
        await cancelWhenGracefulShutdown { await credentials.run() }
    }
}

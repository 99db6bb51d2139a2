// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaIdentity
import MallaIssuance
import MallaModel
import MallaSources
import NIOPosix
import ServiceLifecycle

/// This node's part in identity: the credentials of its workloads, and the authority if it has one.
struct Issuance: Sendable {
    let credentials: Credentials
    /// The authority of this node, whichever kind.
    let authority: (any CertificateAuthority)?
    /// The same if it is the built-in one.
    let builtIn: BuiltInAuthority?
    /// Who may have what of it.
    let desk: IssuanceDesk?
    /// The authority of another node.
    let remote: RemoteSource?
    /// Who issues in this mesh's place.
    let workloadAPI: WorkloadAPISource?
    /// What the node knows: bound once there is one.
    let knowledge: Knowledge

    /// What the desk asks the node.
    actor Knowledge {
        private weak var node: Node?

        func bind(_ node: Node) { self.node = node }
        func runs(_ identity: Identity, on name: String) async -> Bool { await node?.runs(identity, on: name) ?? false }

        /// What the Workload API tells a process of a cgroup.
        func answer(_ cgroup: String, _ credentials: Credentials) async -> WorkloadAPIServer.Answer? {
            guard let identity = await node?.identity(in: cgroup), let proofs = await credentials.proofs else {
                return nil
            }
            let own = proofs.credentials.first { $0.identity == identity }
            return WorkloadAPIServer.Answer(credential: own, bundles: proofs.bundles)
        }

        func trustDomain() async -> String { await node?.trustDomain ?? "" }
    }

    static let now: @Sendable () -> Int64 = { Int64(WallClock.seconds()) }

    /// What the settings ask for; `nil`: nothing.
    init?(_ settings: Settings, group: MultiThreadedEventLoopGroup, logger: Logger) throws {
        let issuance = settings.issuance
        let directory = "\(settings.state)/identity"
        let source: any CertificateSource
        let knowledge = Knowledge()
        self.knowledge = knowledge
        func desk(_ authority: any CertificateAuthority) -> IssuanceDesk {
            IssuanceDesk(
                authority, directory: "\(settings.state)/ca", lifetime: issuance.lifetime, now: Self.now, logger: logger
            ) { name, identity in
                await knowledge.runs(identity, on: name)
            }
        }
        switch issuance.issuer {
        case .nobody: return nil
        case .workloadAPI(let path):
            (builtIn, authority, remote) = (nil, nil, nil)
            workloadAPI = WorkloadAPISource(path, group: group, now: Self.now, logger: logger)
        case .builtIn:
            workloadAPI = nil
            let made = BuiltInAuthority(directory: "\(settings.state)/ca", node: settings.node, now: Self.now)
            (builtIn, authority, remote) = (made, made, nil)
        case .files(let certificate, let key):
            (builtIn, remote, workloadAPI) = (nil, nil, nil)
            authority = try PluggedAuthority(certificate: certificate, key: key, now: Self.now)
        case .remote(let address, let root):
            (builtIn, authority, workloadAPI) = (nil, nil, nil)
            remote = RemoteSource(
                IssuanceClient(address, group: group), node: settings.node, directory: directory,
                token: issuance.token, pin: try Self.pin(root), now: Self.now, logger: logger)
        }
        if let authority {
            let made = desk(authority)
            self.desk = made
            let name = settings.node
            source = LocalSource(authority) { try await made.heard(name, $0) }
        } else if let remote {
            self.desk = nil
            source = remote
        } else if let workloadAPI {
            self.desk = nil
            source = workloadAPI
        } else {
            return nil
        }
        credentials = Credentials(
            source: source, directory: directory, lifetime: issuance.lifetime, now: Self.now, logger: logger)
    }

    private static func pin(_ root: IssuanceSettings.Root?) throws -> RemoteSource.Pin {
        switch root {
        case nil: return .kept
        case .fingerprint(let digits): return .fingerprint(digits)
        case .file(let path):
            guard let bytes = try StateFile.read(path, limit: 1 << 20) else {
                throw SettingError("--ca-root \(path) is missing")
            }
            do {
                return .roots(try TrustAnchors(pem: bytes))
            } catch {
                throw SettingError("--ca-root \(path): \(error)")
            }
        }
    }

    /// What has to run for it.
    func services(
        _ settings: Settings, group: MultiThreadedEventLoopGroup, logger: Logger
    ) -> [any ServiceLifecycle.Service] {
        var services: [any ServiceLifecycle.Service] = [CredentialLoop(credentials: credentials)]
        if let workloadAPI { services.append(WorkloadAPILoop(source: workloadAPI, credentials: credentials)) }
        if let address = settings.issuance.listen, let authority, let desk {
            services.append(
                IssuanceServer(
                    address, authority: authority, desk: desk, trustDomain: { await knowledge.trustDomain() },
                    now: Self.now, group: group, logger: logger))
        }
        if let path = settings.issuance.workloadAPI {
            services.append(
                WorkloadAPIServer(path, group: group, logger: logger) { cgroup in
                    await knowledge.answer(cgroup, credentials)
                })
        }
        return services
    }
}

/// Renews certificates.
struct CredentialLoop: ServiceLifecycle.Service {
    let credentials: Credentials

    func run() async throws {
        await cancelWhenGracefulShutdown { await credentials.run() }
    }
}

/// Hears what a Workload API gives.
struct WorkloadAPILoop: ServiceLifecycle.Service {
    let source: WorkloadAPISource
    let credentials: Credentials

    func run() async throws {
        await cancelWhenGracefulShutdown { await source.run { await credentials.renew(withdrawn: $0) } }
    }
}

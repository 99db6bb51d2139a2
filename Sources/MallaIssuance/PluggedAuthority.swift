// SPDX-License-Identifier: Apache-2.0

public import MallaIdentity
import MallaSources

/// An authority from files that somebody else makes: a certificate that may sign, those above it up to the root, and
/// its key. Read again when the files change; files that do not fit change nothing.
public actor PluggedAuthority: CertificateAuthority {
    private let certificate: String
    private let key: String
    private let now: @Sendable () -> Int64
    private var authority: Authority
    private var read: ([UInt8], [UInt8])
    /// What is wrong with the files as they are now; `nil`: nothing.
    public private(set) var problem: String?

    /// The authority in these files. Throws when they cannot be used.
    public init(certificate: String, key: String, now: @escaping @Sendable () -> Int64) throws {
        self.certificate = certificate
        self.key = key
        self.now = now
        read = try Self.bytes(certificate, key)
        authority = try Self.load(read, certificate, key)
    }

    /// Signs for a name: what the name's owner has proved is judged before.
    public func sign(_ request: SigningRequest, lifetime: Int64) async throws -> IssuedCertificate {
        look()
        let chain = try authority.issue(request, now: now(), lifetime: lifetime)
        return IssuedCertificate(chain: chain, anchors: TrustAnchors([authority.root]))
    }

    /// A certificate for the service.
    public func service(
        of trustDomain: String, names: [String], addresses: [[UInt8]], key: IdentityKey
    ) async throws -> IssuedCertificate {
        look()
        let chain = try authority.issueService(names: names, addresses: addresses, key: key, now: now())
        return IssuedCertificate(chain: chain, anchors: TrustAnchors([authority.root]))
    }

    /// The root of the files.
    public func trust(of trustDomain: String) async throws -> TrustNews {
        look()
        return TrustNews(anchors: TrustAnchors([authority.root]), issuing: authority.root.fingerprint)
    }

    /// Takes the files over if they are others, and fit.
    private func look() {
        do {
            let found = try Self.bytes(certificate, key)
            guard found != read else { return }
            authority = try Self.load(found, certificate, key)
            read = found
            problem = nil
        } catch {
            problem = "\(error)"
        }
    }

    private static func bytes(_ certificate: String, _ key: String) throws -> ([UInt8], [UInt8]) {
        guard let chain = try StateFile.read(certificate, limit: 1 << 20) else {
            throw IdentityProblem(.broken, "\(certificate) is missing")
        }
        guard let secret = try SecretFile.read(key) else { throw IdentityProblem(.broken, "\(key) is missing") }
        return (chain, secret)
    }

    private static func load(_ bytes: ([UInt8], [UInt8]), _ certificate: String, _ key: String) throws -> Authority {
        do {
            return try Authority(chain: bytes.0, key: bytes.1)
        } catch {
            throw IdentityProblem(.broken, "\(certificate) with \(key): \(error.description)")
        }
    }
}

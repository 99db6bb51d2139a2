// SPDX-License-Identifier: Apache-2.0

/// How an identity of this node stands with its certificate. No secrets.
public struct CertificateView: Codable, Sendable, Equatable {
    /// SPIFFE id: the one name in the certificate.
    public var identity: String
    /// `waiting`, `valid`, `overdue` or `expired`.
    public var status: String
    /// Of the certificate in use, in hexadecimal digits.
    public var serial: String?
    /// RFC 3339.
    public var notBefore: String?
    /// RFC 3339.
    public var notAfter: String?
    /// Until then.
    public var secondsLeft: Int64?
    /// As it calls itself.
    public var issuer: String?
    /// The SHA-256 of the root.
    public var root: String?
    /// Attempts in a row that failed.
    public var failures: Int
    /// Why the last one did.
    public var problem: String?

    /// One view.
    public init(
        identity: String, status: String, serial: String? = nil, notBefore: String? = nil, notAfter: String? = nil,
        secondsLeft: Int64? = nil, issuer: String? = nil, root: String? = nil, failures: Int = 0,
        problem: String? = nil
    ) {
        self.identity = identity
        self.status = status
        self.serial = serial
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.secondsLeft = secondsLeft
        self.issuer = issuer
        self.root = root
        self.failures = failures
        self.problem = problem
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Why a handshake, a certificate or a record was refused: one name for logs, metrics and people.
///
/// The numbers are those of `bpf/include/malla/reason.h` (160 and up belong to TLS) and are never reused.
public enum TLSReason: UInt16, Error, Sendable, BitwiseCopyable, CaseIterable {
    // MARK: Handshakes and records

    /// The peer does not speak TLS 1.3.
    case version = 160
    /// No cipher suite in common: AES-GCM of TLS 1.3 is spoken.
    case cipher = 161
    /// No key exchange in common, or a bad share of it.
    case group = 162
    /// No signature algorithm in common.
    case signatureKind = 163
    /// No ALPN name in common.
    case protocolName = 164
    /// The bytes are no TLS, plaintext HTTP for example.
    case notTLS = 165
    /// A handshake message that does not parse.
    case malformed = 166
    /// A message that has no place where it came: renegotiation, early data, a second handshake.
    case unexpectedMessage = 167
    /// A record that does not open with the keys of the connection.
    case badRecord = 168
    /// A record is longer than TLS allows.
    case recordSize = 169
    /// The peer does not have the private key of its certificate.
    case proof = 170
    /// Both sides saw different handshakes.
    case finished = 171
    /// The handshake is longer than allowed.
    case handshakeSize = 172
    /// The handshake was not done in time.
    case handshakeTimeout = 173
    /// The peer closed the connection during the handshake.
    case handshakeEnded = 174
    /// The peer refused the own certificate; its log says why.
    case peerRefused = 175
    /// The peer ended the connection with an alert.
    case peerAlert = 176
    /// The connection ended without the peer's word that nothing more comes.
    case truncated = 177
    /// More key updates, tickets or empty records than a peer needs.
    case tooManyMessages = 178
    /// No memory, or no place, for another handshake.
    case exhausted = 179
    /// A failure inside the TLS library that has no name here.
    case failed = 180

    // MARK: Certificates

    /// The peer showed no certificate.
    case noCertificate = 181
    /// A certificate of the peer does not parse.
    case certificateForm = 182
    /// More certificates than allowed, or more than an authority in the chain allows.
    case chainTooLong = 183
    /// The certificates are larger than allowed.
    case chainSize = 184
    /// A certificate of the peer has expired. Was it renewed, and is the clock right?
    case expired = 185
    /// A certificate of the peer is not valid yet. Is the clock right?
    case notYetValid = 186
    /// No root of the trust domain stands behind the certificate, or a link of the chain is missing.
    case unknownIssuer = 187
    /// The peer signed its certificate itself.
    case selfSigned = 188
    /// A signature in the chain is wrong.
    case chainSignature = 189
    /// A certificate in the chain was signed by one that may not sign.
    case notAnAuthority = 190
    /// A key in the chain is too short: at least RSA 2048 or P-256.
    case weakKey = 191
    /// A signature in the chain uses a digest that can be forged.
    case weakDigest = 192
    /// The certificate's usages do not allow this side of TLS.
    case wrongUsage = 193
    /// A certificate has a critical extension that nobody here knows.
    case unknownCritical = 194
    /// An authority in the chain may not sign this name.
    case nameConstraint = 195
    /// The peer's own certificate may sign others: not one of a workload.
    case leafIsAuthority = 196
    /// The certificate has no URI name.
    case noIdentity = 197
    /// The certificate has more than one URI name.
    case severalIdentities = 198
    /// The URI name is not `spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>`, written in its one form.
    case badIdentity = 199
    /// The peer belongs to a trust domain that this mesh does not trust.
    case wrongTrustDomain = 200
    /// The peer proved to be another workload than the one that was asked for.
    case wrongIdentity = 201
    /// The chain is not in order in a way that has no name here.
    case chainOther = 202
    /// The peer asked for a workload that has no certificate here, or for none where there are several.
    case serverName = 203
}

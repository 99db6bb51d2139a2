// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import MallaModel

/// What a Workload API has given to this daemon: X.509 SVIDs of the workloads that are called as Malla calls them.
struct WorkloadAnswer: Sendable {
    /// One identity's.
    struct SVID: Sendable {
        var chain: CertificateChain
        var key: IdentityKey
        /// Of its trust domain.
        var bundle: TrustAnchors
    }

    /// By identity; of several for one the first, which is the default by the specification.
    private(set) var svids: [Identity: SVID] = [:]
    /// Why others were not taken, a line for each.
    private(set) var refused: [String] = []

    /// Reads an `X509SVIDResponse`. One SVID that cannot be used costs the others nothing.
    init(_ message: [UInt8]) throws(IdentityProblem) {
        var fields = ProtobufFields(message[...])
        while let (tag, value) = try fields.next() {
            guard tag == 1, case .bytes(let bytes) = value else { continue }
            var name = "an SVID"
            do throws(IdentityProblem) {
                try take(bytes, &name)
            } catch {
                refused.append("\(name): \(error)")
            }
        }
        guard !svids.isEmpty || !refused.isEmpty else {
            throw IdentityProblem(.unavailable, "the answer of the Workload API has no SVID")
        }
    }

    /// `X509SVID`: `spiffe_id` = 1, `x509_svid` = 2, `x509_svid_key` = 3, `bundle` = 4.
    private mutating func take(_ bytes: ArraySlice<UInt8>, _ name: inout String) throws(IdentityProblem) {
        var fields = ProtobufFields(bytes)
        var parts: [UInt64: [UInt8]] = [:]
        while let (tag, value) = try fields.next() {
            if case .bytes(let bytes) = value { parts[tag] = Array(bytes) }
        }
        let text = String(decoding: parts[1] ?? [], as: UTF8.self)
        name = String(text.prefix(300))
        guard case .workload(let identity)? = Subject(text) else {
            throw IdentityProblem(
                .invalid, "that is no name of a workload here: spiffe://<domain>/ns/<namespace>/sa/<service account>")
        }
        guard svids[identity] == nil else { return }
        let key: IdentityKey
        do {
            key = try IdentityKey(der: parts[3] ?? [])
        } catch {
            throw IdentityProblem(
                .invalid, "its key is not P-256: let SPIRE make such (workload_x509_svid_key_type = \"ec-p256\")")
        }
        let chain = try CertificateChain(sequence: parts[2] ?? [])
        // Whether chain, key and name are each other's: said here, so that it is said of this one.
        _ = try chain.credential(of: identity, key: key)
        svids[identity] = SVID(chain: chain, key: key, bundle: try TrustAnchors(sequence: parts[4] ?? []))
    }
}

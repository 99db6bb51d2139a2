// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import MallaModel

/// What the SPIFFE Workload API answers, as its protocol buffers say.
enum WorkloadMessages {
    static let svidPath = "/SpiffeWorkloadAPI/FetchX509SVID"
    static let bundlePath = "/SpiffeWorkloadAPI/FetchX509Bundles"

    /// `X509SVIDResponse`: `svids` = 1 of `spiffe_id` = 1, `x509_svid` = 2, `x509_svid_key` = 3, `bundle` = 4, all DER.
    static func svid(_ credential: Credential, _ bundles: [TrustBundle]) throws(IdentityProblem) -> [UInt8] {
        let own = bundles.first { $0.domain == credential.identity.trustDomain }
        var svid = ProtobufWriter()
        svid.put(1, credential.identity.spiffeID)
        svid.put(2, try CertificateChain(pem: credential.chain).der)
        svid.put(3, try IdentityKey(pem: credential.key).der)
        svid.put(4, try CertificateChain(pem: own?.roots ?? []).der)
        var response = ProtobufWriter()
        response.put(1, svid.bytes)
        for bundle in bundles where bundle.domain != credential.identity.trustDomain {
            response.put(3, try entry(bundle))
        }
        return response.bytes
    }

    /// `X509BundlesResponse`: `bundles` = 2, by the trust domain's id, DER.
    static func bundles(_ bundles: [TrustBundle]) throws(IdentityProblem) -> [UInt8] {
        var response = ProtobufWriter()
        for bundle in bundles { response.put(2, try entry(bundle)) }
        return response.bytes
    }

    private static func entry(_ bundle: TrustBundle) throws(IdentityProblem) -> [UInt8] {
        var entry = ProtobufWriter()
        entry.put(1, "spiffe://\(bundle.domain)")
        entry.put(2, try CertificateChain(pem: bundle.roots).der)
        return entry.bytes
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaIssuance
import MallaLink
import MallaModel

/// What a proxy was told of credentials and trust, so that it is told what is different and no more.
struct ProofLedger {
    private var bundles: [TrustBundle]?
    private var credentials: [Identity: Credential] = [:]

    /// What to send so that the proxy has `proofs`, in this order: whom to trust, then what to show, then what to
    /// forget. Taken for sent.
    mutating func messages(for proofs: Credentials.Proofs) -> [Message] {
        var messages: [Message] = []
        if bundles != proofs.bundles {
            messages.append(.bundles(proofs.bundles))
            bundles = proofs.bundles
        }
        let wanted = Dictionary(proofs.credentials.map { ($0.identity, $0) }) { $1 }
        for credential in proofs.credentials where credentials[credential.identity] != credential {
            messages.append(.credential(credential))
        }
        for identity in credentials.keys.sorted(by: { $0.spiffeID < $1.spiffeID }) where wanted[identity] == nil {
            messages.append(.withdrawal(identity))
        }
        credentials = wanted
        return messages
    }
}

// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Synchronization

/// The roots that peers' certificates are held to, by trust domain. Immutable; replaced whole.
public final class Trust: Sendable {
    private static let generations = Atomic<UInt64>(0)

    /// Which trust this is: later ones have higher numbers. What an earlier one found good counts for nothing.
    public let generation: UInt64
    private let anchors: [String: Roots]

    private struct Roots: @unchecked Sendable {
        // OpenSSL's store: locked by itself, freed with the trust.
        let store: OpaquePointer
    }

    /// Trusts the certificates of a PEM text for each trust domain: for names of that domain, and for no other's.
    public init(_ roots: [String: [UInt8]]) throws(TLSProblem) {
        generation = Self.generations.add(1, ordering: .relaxed).newValue
        var anchors: [String: Roots] = [:]
        for (domain, text) in roots {
            guard let store = text.withUnsafeBytes({ openssl_anchors_new($0.baseAddress, $0.count) }) else {
                anchors.values.forEach { openssl_anchors_free($0.store) }
                throw .of("the roots of \(domain)", remedy: "Give one or more certificates as PEM.")
            }
            anchors[domain] = Roots(store: store)
        }
        self.anchors = anchors
    }

    deinit { anchors.values.forEach { openssl_anchors_free($0.store) } }

    /// OpenSSL's store of a trust domain, valid as long as this trust is; `nil`: the domain is not trusted.
    func store(of domain: String) -> OpaquePointer? { anchors[domain]?.store }
}

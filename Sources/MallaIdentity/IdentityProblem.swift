// SPDX-License-Identifier: Apache-2.0

/// Why a certificate was not issued, or something of the authority's could not be used.
public struct IdentityProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// Whose turn it is.
    public enum Kind: Sendable, Equatable {
        /// What was asked for is malformed: the same again will fail again.
        case invalid
        /// Who asks has not proved who it is.
        case unauthenticated
        /// Who asks may not have it.
        case denied
        /// Something of this side's is broken; an operator has to look.
        case broken
        /// Not now; later perhaps.
        case unavailable
    }

    /// Whose turn it is.
    public let kind: Kind
    /// What failed, on what, and what to do.
    public let description: String

    /// A problem.
    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Who issues certificates, whom this node trusts, and where a rotation of the root is.
public struct AuthorityView: Codable, Sendable, Equatable {
    /// `built-in`, `files`, `remote`, or `workload-api`.
    public var kind: String
    /// Where it serves, or where it is asked.
    public var address: String?
    /// Roots that are trusted.
    public var roots: [RootView]
    /// `steady`, `adding` or `switched`; `nil`: the authority is not the built-in one of this node.
    public var phase: String?
    /// Nodes that have joined, and what they have said; empty where the authority is another node's.
    public var nodes: [NodeTrustView]
    /// When this node's own certificate ends, RFC 3339; `nil`: it needs none, or has none.
    public var membershipEnds: String?
    /// What is wrong.
    public var problem: String?

    /// One view.
    public init(
        kind: String, address: String? = nil, roots: [RootView], phase: String? = nil, nodes: [NodeTrustView] = [],
        membershipEnds: String? = nil, problem: String? = nil
    ) {
        self.kind = kind
        self.address = address
        self.roots = roots
        self.phase = phase
        self.nodes = nodes
        self.membershipEnds = membershipEnds
        self.problem = problem
    }
}

/// A root that is trusted.
public struct RootView: Codable, Sendable, Equatable {
    /// SHA-256, as 64 hexadecimal digits.
    public var fingerprint: String
    /// As it calls itself.
    public var name: String
    /// RFC 3339.
    public var notAfter: String
    /// Whether new certificates are of it; `nil`: not known here.
    public var issues: Bool?

    /// One view.
    public init(fingerprint: String, name: String, notAfter: String, issues: Bool? = nil) {
        self.fingerprint = fingerprint
        self.name = name
        self.notAfter = notAfter
        self.issues = issues
    }
}

/// What a node has said of roots.
public struct NodeTrustView: Codable, Sendable, Equatable {
    /// The node.
    public var name: String
    /// What is missing for the next step of a rotation; `nil`: nothing.
    public var behind: String?
    /// SHA-256 of the roots that it trusts.
    public var trusts: [String]
    /// SHA-256 of the roots of the certificates that it uses.
    public var uses: [String]
    /// When it said so, RFC 3339.
    public var heard: String

    /// One view.
    public init(name: String, behind: String? = nil, trusts: [String], uses: [String], heard: String) {
        self.name = name
        self.behind = behind
        self.trusts = trusts
        self.uses = uses
        self.heard = heard
    }
}

/// What a token is wanted for.
public struct TokenRequest: Codable, Sendable, Equatable {
    /// The node that is to join.
    public var node: String
    /// How long the token is good.
    public var seconds: Int64

    /// A token to be made.
    public init(node: String, seconds: Int64) {
        self.node = node
        self.seconds = seconds
    }
}

/// A token that lets a node join.
public struct TokenView: Codable, Sendable, Equatable {
    /// What it is called by; no secret.
    public var id: String
    /// The node that it is for.
    public var node: String
    /// RFC 3339.
    public var expires: String
    /// RFC 3339; `nil`: it was not used.
    public var used: String?
    /// The token itself: in the answer to its making, and never again.
    public var token: String?

    /// One view.
    public init(id: String, node: String, expires: String, used: String? = nil, token: String? = nil) {
        self.id = id
        self.node = node
        self.expires = expires
        self.used = used
        self.token = token
    }
}

/// A step of a rotation of the root.
public struct RotationRequest: Codable, Sendable, Equatable {
    /// `start`, `next` or `abort`.
    public var step: String
    /// Whether nodes that are behind are left behind.
    public var force: Bool

    /// A step.
    public init(step: String, force: Bool = false) {
        self.step = step
        self.force = force
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Authorization policies in the one compiled form that kernel and proxy use.
///
/// A *scope* is a set of policies; every workload has the scope of the policies that select it. An entry says what
/// that scope has for a source and a port. To judge a connection, the entries (source, port), (source, 0),
/// (any, port) and (any, 0) are looked up: any deny wins, most exact first; without an (any, 0) entry, which every
/// scope has, the connection is denied (`policy_missing`); then any allow; then the default in the (any, 0) entry.
public struct PolicyTable: Sendable, Equatable {
    /// What is asked.
    public struct Key: Hashable, Sendable {
        /// The scope of the destination.
        public var scope: UInt32
        /// The number of the source's identity, or ``PolicyTable/anySource``.
        public var source: UInt32
        /// The endpoint's port; 0: any.
        public var port: UInt16

        /// A question.
        public init(scope: UInt32, source: UInt32, port: UInt16) {
            self.scope = scope
            self.source = source
            self.port = port
        }
    }

    /// What is answered.
    public struct Entry: Hashable, Sendable {
        /// The rule that denies; 0: none.
        public var denyRule: UInt32
        /// The rule that allows; 0: none.
        public var allowRule: UInt32
        /// What holds when no entry denies or allows: `passed`, `policy_not_allowed` or `mesh_default_denied`. Only
        /// read from the (any, 0) entry.
        public var defaultReason: Reason

        /// An answer.
        public init(denyRule: UInt32 = 0, allowRule: UInt32 = 0, defaultReason: Reason = .policyMissing) {
            self.denyRule = denyRule
            self.allowRule = allowRule
            self.defaultReason = defaultReason
        }
    }

    /// The wildcard source.
    public static let anySource: UInt32 = .max

    /// Answers by question.
    public var entries: [Key: Entry]

    /// A table of these entries.
    public init(entries: [Key: Entry] = [:]) { self.entries = entries }
}

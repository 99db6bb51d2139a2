// SPDX-License-Identifier: Apache-2.0

/// Authorization policies in the one compiled form that kernel and proxy use.
///
/// A *scope* is a set of policies; every workload has the scope of the policies that select it. An entry says what
/// that scope has for a source and a port. The *head* of a scope is its entry (any source, any port). How an answer is
/// found stands at `PolicyTable.decide`; why the form is as it is, in docs/design/0004-policy-form.md.
public struct PolicyTable: Sendable, Equatable {
    /// What is asked.
    public struct Key: Hashable, Sendable, BitwiseCopyable {
        /// The scope of the destination.
        public var scope: UInt32
        /// The number of the source's identity, ``PolicyTable/anySource`` or ``PolicyTable/listedSource``.
        public var source: UInt32
        /// The endpoint's port; 0: any.
        public var port: UInt16
        /// With port 0: any of the ports that the scope lists. Without: any port that it does not list.
        public var isListed: Bool

        /// A question.
        public init(scope: UInt32, source: UInt32, port: UInt16, isListed: Bool = false) {
            self.scope = scope
            self.source = source
            self.port = port
            self.isListed = isListed
        }
    }

    /// What an entry says besides its rules. The bits are those of `enum malla_policy_flag`.
    public struct Flags: OptionSet, Hashable, Sendable, BitwiseCopyable {
        /// The bits.
        public let rawValue: UInt16
        /// These bits.
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// Head: the source's address tells which scope decides.
        public static let bySource = Flags(rawValue: 1)
        /// Head: the destination's address tells which scope decides.
        public static let byDestination = Flags(rawValue: 2)
        /// Head: some sources are listed.
        public static let listsSources = Flags(rawValue: 4)
        /// Head: some ports are listed.
        public static let listsPorts = Flags(rawValue: 8)
        /// The entry's source (at port 0) or port (at any source) is listed.
        public static let listed = Flags(rawValue: 16)
        /// The entry's deny is for want of an identity.
        public static let demandsIdentity = Flags(rawValue: 32)
        /// Head: the scope has no other entry.
        public static let alone = Flags(rawValue: 64)
    }

    /// What is answered.
    public struct Entry: Hashable, Sendable, BitwiseCopyable {
        /// The rule that denies; 0: none.
        public var denyRule: UInt32
        /// The rule that allows; 0: none.
        public var allowRule: UInt32
        /// What holds when no entry denies or allows: `passed`, or why not. Only read from the head.
        public var defaultReason: Reason
        /// What else it says.
        public var flags: Flags
        /// Head: the scope that would hold if the dry runs were enforced; 0: there is none.
        public var shadow: UInt32

        /// An answer.
        public init(
            denyRule: UInt32 = 0, allowRule: UInt32 = 0, defaultReason: Reason = .policyMissing, flags: Flags = [],
            shadow: UInt32 = 0
        ) {
            self.denyRule = denyRule
            self.allowRule = allowRule
            self.defaultReason = defaultReason
            self.flags = flags
            self.shadow = shadow
        }
    }

    /// Addresses of one side, as a scope that tells them apart sees them.
    public struct BlockKey: Hashable, Sendable, BitwiseCopyable {
        /// The scope that asks.
        public var scope: UInt32
        /// The block.
        public var block: AddressBlock

        /// A block of this scope's.
        public init(scope: UInt32, block: AddressBlock) {
            self.scope = scope
            self.block = block
        }
    }

    /// The wildcard for sources that the scope does not list.
    public static let anySource: UInt32 = .max
    /// The wildcard for sources that the scope lists.
    public static let listedSource: UInt32 = .max - 1

    /// Answers by question.
    public var entries: [Key: Entry]
    /// For scopes that tell addresses apart: the scope that decides in its place, by the longest block that has the
    /// address.
    public private(set) var blocks: [BlockKey: UInt32]
    /// The lengths of all blocks, longest first: what has to be tried.
    public private(set) var blockLengths: [UInt8]

    /// A table of these entries.
    public init(entries: [Key: Entry] = [:], blocks: [BlockKey: UInt32] = [:]) {
        self.entries = entries
        self.blocks = [:]
        self.blockLengths = []
        add(blocks)
    }

    /// Adds blocks; those that are there already are replaced.
    public mutating func add(_ blocks: [BlockKey: UInt32]) {
        guard !blocks.isEmpty else { return }
        self.blocks.merge(blocks) { $1 }
        blockLengths = Set(blockLengths).union(blocks.keys.map(\.block.bits)).sorted(by: >)
    }

    /// The scope that decides for `address` in place of `scope`; `nil`: none, so nothing may pass.
    ///
    /// One lookup for each length that any block of the table has. No allocation.
    @inlinable
    public func scope(inPlaceOf scope: UInt32, at address: Address) -> UInt32? {
        for bits in blockLengths {
            if let found = blocks[BlockKey(scope: scope, block: AddressBlock(address, bits: bits))] { return found }
        }
        return nil
    }
}

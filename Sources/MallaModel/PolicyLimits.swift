// SPDX-License-Identifier: Apache-2.0
import CMallaABI

/// How large the compiled form of policies may get.
///
/// The kernel holds the set in force and the next one side by side, so a set may take half of each map.
public struct PolicyLimits: Sendable, Hashable {
    /// Entries of all scopes.
    public var entries: Int
    /// Blocks of all scopes.
    public var blocks: Int
    /// Entries of one scope, with all scopes that decide in its place.
    public var scopeEntries: Int
    /// Blocks of one scope.
    public var scopeBlocks: Int

    /// The limits of the kernel's maps.
    public init() {
        entries = Int(MALLA_POLICY_ENTRIES) / 2
        blocks = Int(MALLA_BLOCK_ENTRIES) / 2
        scopeEntries = Int(MALLA_POLICY_ENTRIES) / 4
        scopeBlocks = Int(MALLA_BLOCK_ENTRIES) / 8
    }
}

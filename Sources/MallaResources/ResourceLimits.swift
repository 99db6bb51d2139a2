// SPDX-License-Identifier: Apache-2.0

/// What the reader takes at most, so that no input can exhaust memory, stack or time.
public struct ResourceLimits: Sendable {
    /// Files in one set.
    public var files = 4096
    /// Bytes of one file. The parsed tree takes up to a hundred times as much memory.
    public var fileBytes = 4 << 20
    /// Bytes of all files together.
    public var totalBytes = 64 << 20
    /// Fields and list entries that are read from one file, counting what an alias repeats each time.
    public var entries = 2_000_000
    /// Problems that are kept; more are only counted.
    public var problems = 200

    /// The limits of the daemon.
    public init() {}
}

// SPDX-License-Identifier: Apache-2.0

/// Bytes from the other side that are no valid message. The stream cannot be trusted after it: close the connection.
public struct LinkError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wrong and where.
    public let description: String

    /// What was wrong and where.
    public init(_ description: String) { self.description = description }
}

// SPDX-License-Identifier: Apache-2.0

/// How the node proxy chooses an endpoint for each request, or for each connection that it relays.
public struct RequestBalancing: Hashable, Sendable {
    /// What decides. Numbers are those of the link's messages and never change their meaning.
    public enum Algorithm: UInt8, Hashable, Sendable, CaseIterable {
        /// Two by weight, then the one with fewer requests for its weight.
        case leastRequest = 0
        /// Two by weight, then the one whose answers are expected sooner: by how long they took, and what waits there.
        case peakEWMA = 1
        /// One after the other, by weight.
        case roundRobin = 2
        /// Each by its weight, whatever it has to do already.
        case random = 3
        /// By a hash of who asks or of a header, so that the same go to the same, and few move when endpoints change.
        case hash = 4
    }

    /// What decides.
    public var algorithm: Algorithm
    /// The header whose value is hashed, in lower case; empty, or where a request has none: who asks.
    public var hashHeader: String
    /// How long an endpoint that is new gets less than its share, from a tenth of it upwards; 0: not at all.
    public var slowStart: Nanoseconds

    /// A way of choosing.
    public init(algorithm: Algorithm = .leastRequest, hashHeader: String = "", slowStart: Nanoseconds = 0) {
        self.algorithm = algorithm
        self.hashHeader = hashHeader
        self.slowStart = slowStart
    }
}

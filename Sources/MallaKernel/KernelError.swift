// SPDX-License-Identifier: Apache-2.0

/// Why the kernel side could not be set up, written or read. Failures of single kernel calls come as `BPFError`.
public struct KernelError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure; more may be added.
    public struct Code: Hashable, Sendable {
        private enum Kind { case inUse, otherABI, layout, capacity, snapshot, overlap, system, notFound }
        private let kind: Kind

        /// Another daemon holds the pin folder.
        public static let inUse = Code(kind: .inUse)
        /// The pin folder belongs to a version with another ABI.
        public static let otherABI = Code(kind: .otherABI)
        /// A pinned map is not what this version's programs need.
        public static let layout = Code(kind: .layout)
        /// A snapshot does not fit into the maps.
        public static let capacity = Code(kind: .capacity)
        /// A snapshot contradicts itself.
        public static let snapshot = Code(kind: .snapshot)
        /// Two cgroups of which one contains the other cannot both be captured.
        public static let overlap = Code(kind: .overlap)
        /// Nothing is pinned there.
        public static let notFound = Code(kind: .notFound)
        /// A file, folder or mount could not be had.
        public static let system = Code(kind: .system)
    }

    /// The kind of failure.
    public let code: Code
    /// What failed, and on what.
    public let message: String
    /// What to do about it.
    public let hint: String?

    /// An error.
    public init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// Message and hint.
    public var description: String { message + (hint.map { "; \($0)" } ?? "") }
}

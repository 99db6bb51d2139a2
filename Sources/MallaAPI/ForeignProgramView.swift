// SPDX-License-Identifier: Apache-2.0

/// A program of somebody else's that runs where the node's programs run.
public struct ForeignProgramView: Codable, Sendable, Equatable {
    /// The kernel's number.
    public var id: UInt32
    /// Empty: the daemon may not see it.
    public var name: String
    /// Such as `cgroup_inet4_connect`.
    public var hook: String
    /// The cgroup that it is attached to, or `interface 7`.
    public var place: String
    /// `before` or `after` the node's.
    public var order: String

    /// One view.
    public init(id: UInt32, name: String, hook: String, place: String, order: String) {
        self.id = id
        self.name = name
        self.hook = hook
        self.place = place
        self.order = order
    }
}

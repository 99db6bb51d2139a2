// SPDX-License-Identifier: Apache-2.0

/// A map of the kernel.
public struct MapView: Codable, Sendable, Equatable {
    /// A Kubernetes name.
    public var name: String
    /// Id.
    public var id: UInt32
    /// Type.
    public var type: String
    /// Key size.
    public var keySize: UInt32
    /// Value size.
    public var valueSize: UInt32
    /// `nil`: cannot be counted.
    public var entries: UInt64?
    /// Max entries.
    public var maxEntries: UInt32
    /// Of kernel memory.
    public var bytes: UInt64
    /// Pin.
    public var pin: String

    /// One view.
    public init(
        name: String, id: UInt32, type: String, keySize: UInt32, valueSize: UInt32, entries: UInt64? = nil,
        maxEntries: UInt32, bytes: UInt64, pin: String
    ) {
        self.name = name
        self.id = id
        self.type = type
        self.keySize = keySize
        self.valueSize = valueSize
        self.entries = entries
        self.maxEntries = maxEntries
        self.bytes = bytes
        self.pin = pin
    }
}

/// One entry of a map, with names for numbers.
public struct MapEntryView: Codable, Sendable, Equatable {
    /// Key.
    public var key: [String: String]
    /// Value.
    public var value: [String: String]

    /// One view.
    public init(key: [String: String], value: [String: String]) {
        self.key = key
        self.value = value
    }
}

/// A program in the kernel.
public struct ProgramView: Codable, Sendable, Equatable {
    /// A Kubernetes name.
    public var name: String
    /// Id.
    public var id: UInt32
    /// Type.
    public var type: String
    /// Tag.
    public var tag: String
    /// Cgroups.
    public var attached: [String]
    /// Link iDs.
    public var linkIDs: [UInt32]
    /// That the verifier walked.
    public var instructions: UInt32
    /// `nil`: statistics are off (`sysctl kernel.bpf_stats_enabled=1`).
    public var runs: UInt64?
    /// Nanoseconds per run.
    public var nanosecondsPerRun: Double?

    /// One view.
    public init(
        name: String, id: UInt32, type: String, tag: String, attached: [String], linkIDs: [UInt32],
        instructions: UInt32, runs: UInt64? = nil, nanosecondsPerRun: Double? = nil
    ) {
        self.name = name
        self.id = id
        self.type = type
        self.tag = tag
        self.attached = attached
        self.linkIDs = linkIDs
        self.instructions = instructions
        self.runs = runs
        self.nanosecondsPerRun = nanosecondsPerRun
    }
}

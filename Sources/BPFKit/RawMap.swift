// SPDX-License-Identifier: Apache-2.0

/// Any map, read as bytes: for listings of maps whose types the reader does not know.
public struct RawMap: ~Copyable, Sendable {
    /// One entry.
    public struct Entry: Sendable, Equatable {
        /// As many bytes as the map's keys have.
        public let key: [UInt8]
        /// One value, or one per possible CPU, each with as many bytes as the map's values have.
        public let values: [[UInt8]]
    }

    /// The map's name in the source, or the path that it was opened from; for messages.
    public let name: String
    /// What the kernel said of the map when it was opened.
    public let description: MapDescription
    /// The map's descriptor.
    public let descriptor: Descriptor

    /// Takes over a map's descriptor.
    public init(_ descriptor: consuming Descriptor, name: String) throws {
        let description = try MapDescription(of: descriptor)
        self.name = name
        self.description = description
        self.descriptor = descriptor
    }

    /// Opens a pinned map.
    public init(pinned path: String, access: MapAccess = .readWrite) throws {
        try self.init(Descriptor(pinnedMap: path, access: access), name: path)
    }

    /// Keeps the map alive beyond this process by a file on a BPF file system.
    ///
    /// - Throws: ``BPFError``: EEXIST when the path is taken.
    public func pin(at path: String) throws {
        try checked(MapCall.pin(descriptor.raw, path), "pin map", path)
    }

    /// Whether the map has entries that can be listed: ring buffers have none, and maps of sockets tell little.
    public var isListable: Bool { ![.ringBuffer, .socketStorage, .socketMap].contains(description.type) }

    /// How many entries there are now; nil when they cannot be listed. Reads the whole map.
    public func count() throws -> Int? {
        guard isListable else { return nil }
        return description.type.isArray ? description.maxEntries : try contents().contents.count
    }

    /// All entries, in no order; none when they cannot be listed.
    public func entries() throws -> [Entry] {
        guard isListable else { return [] }
        let (contents, stride, cpus) = try contents()
        return (0..<contents.count).map { index in
            let start = index * stride * cpus
            return Entry(
                key: Array(contents.keys[index * description.keySize..<(index + 1) * description.keySize]),
                values: (0..<cpus).map { cpu in
                    Array(contents.values[start + cpu * stride..<start + cpu * stride + description.valueSize])
                })
        }
    }

    private func contents() throws -> (contents: MapContents, stride: Int, cpus: Int) {
        let isPerCPU = description.type.isPerCPU
        let cpus = isPerCPU ? Int(try checked(MapCall.possibleCPUs, "count", "the possible CPUs")) : 1
        let stride = isPerCPU ? (description.valueSize + 7) / 8 * 8 : description.valueSize
        let contents = try MapContents(
            of: descriptor, keySize: description.keySize, valueSize: stride * cpus,
            maxEntries: description.maxEntries, name: name)
        return (contents, stride, cpus)
    }
}

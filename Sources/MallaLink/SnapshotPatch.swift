// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// What is different for the proxy in a snapshot, or a part of that: a change of endpoints costs what changed on the
/// link, too. Identities, policies, rules, routes, and which services and ports there are, are as before.
public struct SnapshotPatch: Sendable, Equatable {
    /// The generation of the snapshot that it leads to.
    public var generation: UInt32
    /// The generation of the one that it changes.
    public var base: UInt32
    /// Whether this is the last part: nothing holds before.
    public var isLast: Bool
    /// Endpoints that are new or changed.
    public var endpoints: [Snapshot.Endpoint]
    /// The numbers of endpoints that are gone.
    public var gone: [UInt32]
    /// Services whose endpoints changed, with all of these. Their routes are left out.
    public var services: [Snapshot.Service]

    /// A difference.
    public init(
        generation: UInt32, base: UInt32, isLast: Bool = true, endpoints: [Snapshot.Endpoint] = [],
        gone: [UInt32] = [], services: [Snapshot.Service] = []
    ) {
        self.generation = generation
        self.base = base
        self.isLast = isLast
        self.endpoints = endpoints
        self.gone = gone
        self.services = services
    }

    /// What a delta of the snapshot `base` means for the proxy.
    public init(_ delta: SnapshotDelta, generation: UInt32, base: UInt32) {
        self.init(
            generation: generation, base: base, endpoints: delta.endpoints, gone: delta.goneEndpoints.map(\.number),
            services: delta.services)
    }

    /// The messages that carry it, each far below ``Frame/maximum``; `nil` when a service is too large for one.
    public var messages: [Message]? {
        var parts: [SnapshotPatch] = []
        func next() -> SnapshotPatch { SnapshotPatch(generation: generation, base: base, isLast: false) }
        for start in stride(from: 0, to: endpoints.count, by: Self.portion) {
            var part = next()
            part.endpoints = Array(endpoints[start..<min(start + Self.portion, endpoints.count)])
            parts.append(part)
        }
        var part = next()
        var size = 0
        for service in services {
            let count = service.ports.reduce(1) { $0 + $1.endpoints4.count + $1.endpoints6.count }
            guard count <= SnapshotMessages.mostEndpoints else { return nil }
            if size + count > Self.portion, size > 0 {
                parts.append(part)
                (part, size) = (next(), 0)
            }
            var bare = service
            for port in bare.ports.indices { bare.ports[port].routes = [] }
            part.services.append(bare)
            size += count
        }
        parts.append(part)
        for start in stride(from: 0, to: gone.count, by: Self.portion) {
            var part = next()
            part.gone = Array(gone[start..<min(start + Self.portion, gone.count)])
            parts.append(part)
        }
        parts[parts.count - 1].isLast = true
        return parts.map(Message.patch)
    }

    /// Entries in a message.
    private static let portion = 4000
}

/// Puts a patch together from its parts. Sans-I/O.
public struct PatchAssembler: Sendable {
    private var patch: SnapshotPatch?

    /// An assembler that waits for a first part.
    public init() {}

    /// Takes a part in.
    /// - Returns: the patch when this part made it whole.
    /// - Throws: parts of two patches in one another, too much. The parts so far are forgotten.
    public mutating func take(_ part: SnapshotPatch) throws(LinkError) -> SnapshotPatch? {
        var growing = patch ?? SnapshotPatch(generation: part.generation, base: part.base)
        patch = nil
        guard growing.generation == part.generation, growing.base == part.base else {
            throw LinkError("a part of the change to \(part.generation) came amid that to \(growing.generation)")
        }
        growing.endpoints += part.endpoints
        growing.gone += part.gone
        growing.services += part.services
        let largest = max(growing.endpoints.count, growing.gone.count, growing.services.count)
        guard largest <= SnapshotAssembler.limit else {
            throw LinkError("more than \(SnapshotAssembler.limit) entries of one kind")
        }
        if part.isLast { return growing }
        patch = growing
        return nil
    }
}

extension SnapshotPatch {
    func write(to fields: inout FieldWriter) {
        fields.put(1, generation)
        fields.put(2, base)
        fields.put(3, isLast)
        for endpoint in endpoints { fields.nest(4) { endpoint.write(to: &$0) } }
        for number in gone { fields.put(5, number) }
        for service in services { fields.nest(6) { service.write(to: &$0) } }
    }

    init(_ fields: inout FieldReader) throws(LinkError) {
        self.init(generation: 0, base: 0, isLast: false)
        while let field = try fields.next() {
            switch field.tag {
            case 1: generation = try field.number()
            case 2: base = try field.number()
            case 3: isLast = try field.flag()
            case 4: endpoints.append(try Snapshot.Endpoint(field.nested))
            case 5: gone.append(try field.number())
            case 6: services.append(try Snapshot.Service(field.nested))
            default: break
            }
        }
    }
}

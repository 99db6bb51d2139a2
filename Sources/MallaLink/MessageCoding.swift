// SPDX-License-Identifier: Apache-2.0

import MallaModel

/// Message types. Numbers are never reused.
private enum Kind {
    static let hello: UInt16 = 1
    static let connections: UInt16 = 2
    static let snapshotBegin: UInt16 = 3
    static let identities: UInt16 = 4
    static let services: UInt16 = 5
    static let endpoints: UInt16 = 6
    static let policies: UInt16 = 7
    static let rules: UInt16 = 8
    static let snapshotEnd: UInt16 = 9
    static let applied: UInt16 = 10
    static let rejected: UInt16 = 11
    static let drain: UInt16 = 12
    static let listeners: UInt16 = 13
    static let routes: UInt16 = 14
    static let blocks: UInt16 = 24
    static let patch: UInt16 = 25
    static let nodes: UInt16 = 26
    static let credential: UInt16 = 27
    static let withdrawal: UInt16 = 28
    static let bundles: UInt16 = 29
    static let reservedPorts: UInt16 = 30
    static let tunnelQuestion: UInt16 = 31
    static let tunnels: UInt16 = 32
}

extension Message {
    /// The message as one frame. Messages made by this module's ``SnapshotMessages`` are below ``Frame/maximum``;
    /// a longer one is refused by the peer.
    public func encoded() -> [UInt8] {
        var fields = FieldWriter()
        let type: UInt16
        switch self {
        case .hello(let hello):
            type = Kind.hello
            fields.put(1, hello.oldest)
            fields.put(2, hello.newest)
            fields.put(3, hello.program)
            fields.put(4, hello.node)
            fields.put(5, hello.pid)
            fields.put(6, hello.generation)
        case .connections:
            type = Kind.connections
        case .listeners(let count):
            type = Kind.listeners
            fields.put(1, count)
        case .snapshotBegin(let header):
            type = Kind.snapshotBegin
            fields.put(1, header.generation)
            fields.put(2, header.trustDomain)
        case .identities(let identities):
            type = Kind.identities
            for (number, identity) in identities.sorted(by: { $0.key < $1.key }) {
                fields.nest(1) { identity.write(number: number, to: &$0) }
            }
        case .services(let services):
            type = Kind.services
            for service in services { fields.nest(1) { service.write(to: &$0) } }
        case .routes(let parts):
            type = Kind.routes
            for part in parts { fields.nest(1) { part.write(to: &$0) } }
        case .endpoints(let endpoints):
            type = Kind.endpoints
            for endpoint in endpoints { fields.nest(1) { endpoint.write(to: &$0) } }
        case .nodes(let nodes):
            type = Kind.nodes
            for node in nodes { fields.nest(1) { node.write(to: &$0) } }
        case .credential(let credential):
            type = Kind.credential
            credential.write(to: &fields)
        case .withdrawal(let identity):
            type = Kind.withdrawal
            fields.nest(1) { identity.write(number: 0, to: &$0) }
        case .bundles(let bundles):
            type = Kind.bundles
            for bundle in bundles { fields.nest(1) { bundle.write(to: &$0) } }
        case .reservedPorts(let ports):
            type = Kind.reservedPorts
            for port in ports { fields.put(1, port) }
        case .tunnelQuestion(let question):
            type = Kind.tunnelQuestion
            fields.put(1, question.number)
            fields.put(2, question.from)
        case .tunnels(let answer):
            type = Kind.tunnels
            answer.write(to: &fields)
        case .policies(let entries):
            type = Kind.policies
            for (key, entry) in entries { fields.nest(1) { entry.write(key: key, to: &$0) } }
        case .blocks(let blocks):
            type = Kind.blocks
            for (key, scope) in blocks { fields.nest(1) { key.write(scope: scope, to: &$0) } }
        case .rules(let rules):
            type = Kind.rules
            for (number, name) in rules.sorted(by: { $0.key < $1.key }) {
                fields.nest(1) {
                    $0.put(1, number)
                    $0.put(2, name)
                }
            }
        case .snapshotEnd(let generation):
            type = Kind.snapshotEnd
            fields.put(1, generation)
        case .patch(let patch):
            type = Kind.patch
            patch.write(to: &fields)
        case .applied(let generation):
            type = Kind.applied
            fields.put(1, generation)
        case .rejected(let rejection):
            type = Kind.rejected
            fields.put(1, rejection.generation)
            fields.put(2, rejection.reason)
        case .drain(let drain):
            type = Kind.drain
            fields.put(1, drain.grace)
        }
        return Frame.wrap(type: type, fields.bytes)
    }

    /// The message of a frame; `nil` when its type is not known.
    init?(type: UInt16, fields: FieldReader) throws(LinkError) {
        var fields = fields
        switch type {
        case Kind.hello:
            self = .hello(try Hello(&fields))
        case Kind.connections:
            self = .connections
        case Kind.listeners:
            var count: UInt32 = 0
            while let field = try fields.next(tag: 1) { count = try field.number() }
            self = .listeners(count: count)
        case Kind.snapshotBegin:
            var header = SnapshotHeader(generation: 0, trustDomain: "")
            while let field = try fields.next() {
                switch field.tag {
                case 1: header.generation = try field.number()
                case 2: header.trustDomain = try field.text()
                default: break
                }
            }
            self = .snapshotBegin(header)
        case Kind.identities:
            var identities: [UInt32: Identity] = [:]
            while let field = try fields.next(tag: 1) {
                let (number, identity) = try Identity.read(field.nested)
                identities[number] = identity
            }
            self = .identities(identities)
        case Kind.services:
            var services: [Snapshot.Service] = []
            while let field = try fields.next(tag: 1) {
                services.append(try Snapshot.Service(field.nested))
            }
            self = .services(services)
        case Kind.routes:
            var parts: [RoutePart] = []
            while let field = try fields.next(tag: 1) { parts.append(try RoutePart(field.nested)) }
            self = .routes(parts)
        case Kind.endpoints:
            var endpoints: [Snapshot.Endpoint] = []
            while let field = try fields.next(tag: 1) {
                endpoints.append(try Snapshot.Endpoint(field.nested))
            }
            self = .endpoints(endpoints)
        case Kind.nodes:
            var nodes: [Snapshot.Node] = []
            while let field = try fields.next(tag: 1) { nodes.append(try Snapshot.Node(field.nested)) }
            self = .nodes(nodes)
        case Kind.credential:
            self = .credential(try Credential(fields))
        case Kind.withdrawal:
            var identity = Identity(trustDomain: "", namespace: "", serviceAccount: "")
            while let field = try fields.next(tag: 1) { identity = try Identity.read(field.nested).identity }
            self = .withdrawal(identity)
        case Kind.bundles:
            var bundles: [TrustBundle] = []
            while let field = try fields.next(tag: 1) { bundles.append(try TrustBundle(field.nested)) }
            self = .bundles(bundles)
        case Kind.reservedPorts:
            var ports: [UInt16] = []
            while let field = try fields.next(tag: 1) { ports.append(try field.number()) }
            self = .reservedPorts(ports)
        case Kind.tunnelQuestion:
            self = .tunnelQuestion(try TunnelQuestion(&fields))
        case Kind.tunnels:
            self = .tunnels(try TunnelAnswer(&fields))
        case Kind.policies:
            var entries: [PolicyTable.Key: PolicyTable.Entry] = [:]
            while let field = try fields.next(tag: 1) {
                let (key, entry) = try PolicyTable.Entry.read(field.nested)
                entries[key] = entry
            }
            self = .policies(entries)
        case Kind.blocks:
            var blocks: [PolicyTable.BlockKey: UInt32] = [:]
            while let field = try fields.next(tag: 1) {
                let (key, scope) = try PolicyTable.BlockKey.read(field.nested)
                blocks[key] = scope
            }
            self = .blocks(blocks)
        case Kind.rules:
            self = .rules(try Self.readRules(&fields))
        case Kind.snapshotEnd:
            self = .snapshotEnd(generation: try Self.readGeneration(&fields))
        case Kind.patch:
            self = .patch(try SnapshotPatch(&fields))
        case Kind.applied:
            self = .applied(generation: try Self.readGeneration(&fields))
        case Kind.rejected:
            var rejection = Rejection(generation: 0, reason: "")
            while let field = try fields.next() {
                switch field.tag {
                case 1: rejection.generation = try field.number()
                case 2: rejection.reason = try field.text()
                default: break
                }
            }
            self = .rejected(rejection)
        case Kind.drain:
            var drain = Drain(grace: 0)
            while let field = try fields.next(tag: 1) { drain.grace = try field.number() }
            self = .drain(drain)
        default:
            return nil
        }
    }

    private static func readGeneration(_ fields: inout FieldReader) throws(LinkError) -> UInt32 {
        var generation: UInt32 = 0
        while let field = try fields.next(tag: 1) { generation = try field.number() }
        return generation
    }

    private static func readRules(_ fields: inout FieldReader) throws(LinkError) -> [UInt32: String] {
        var rules: [UInt32: String] = [:]
        while let field = try fields.next(tag: 1) {
            var inner = field.nested
            var number: UInt32 = 0
            var name = ""
            while let field = try inner.next() {
                switch field.tag {
                case 1: number = try field.number()
                case 2: name = try field.text()
                default: break
                }
            }
            rules[number] = name
        }
        return rules
    }
}

extension Message.Hello {
    fileprivate init(_ fields: inout FieldReader) throws(LinkError) {
        self.init(oldest: 0, newest: 0, program: "", node: "", pid: 0)
        while let field = try fields.next() {
            switch field.tag {
            case 1: oldest = try field.number()
            case 2: newest = try field.number()
            case 3: program = try field.text()
            case 4: node = try field.text()
            case 5: pid = try field.number()
            case 6: generation = try field.number()
            default: break
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import MallaModel

extension Identity {
    func write(number: UInt32, to fields: inout FieldWriter) {
        fields.put(1, number)
        fields.put(2, trustDomain)
        fields.put(3, namespace)
        fields.put(4, serviceAccount)
    }

    static func read(_ fields: FieldReader) throws(LinkError) -> (number: UInt32, identity: Identity) {
        var fields = fields
        var number: UInt32 = 0
        var identity = Identity(trustDomain: "", namespace: "", serviceAccount: "")
        while let field = try fields.next() {
            switch field.tag {
            case 1: number = try field.number()
            case 2: identity.trustDomain = try field.text()
            case 3: identity.namespace = try field.text()
            case 4: identity.serviceAccount = try field.text()
            default: break
            }
        }
        return (number, identity)
    }
}

extension PolicyTable.Entry {
    func write(key: PolicyTable.Key, to fields: inout FieldWriter) {
        fields.put(1, key.scope)
        fields.put(2, key.source)
        fields.put(3, key.port)
        if denyRule != 0 { fields.put(4, denyRule) }
        if allowRule != 0 { fields.put(5, allowRule) }
        fields.put(6, defaultReason.rawValue)
        if key.isListed { fields.put(7, true) }
        if !flags.isEmpty { fields.put(8, flags.rawValue) }
        if shadow != 0 { fields.put(9, shadow) }
    }

    static func read(_ fields: FieldReader) throws(LinkError) -> (key: PolicyTable.Key, entry: PolicyTable.Entry) {
        var fields = fields
        var key = PolicyTable.Key(scope: 0, source: 0, port: 0)
        var entry = PolicyTable.Entry()
        while let field = try fields.next() {
            switch field.tag {
            case 1: key.scope = try field.number()
            case 2: key.source = try field.number()
            case 3: key.port = try field.number()
            case 4: entry.denyRule = try field.number()
            case 5: entry.allowRule = try field.number()
            case 6: entry.defaultReason = Reason(rawValue: try field.number())
            case 7: key.isListed = try field.flag()
            case 8: entry.flags = PolicyTable.Flags(rawValue: try field.number())
            case 9: entry.shadow = try field.number()
            default: break
            }
        }
        return (key, entry)
    }
}

extension PolicyTable.BlockKey {
    func write(scope inner: UInt32, to fields: inout FieldWriter) {
        fields.put(1, scope)
        block.first.write(2, to: &fields)
        fields.put(3, block.bits)
        fields.put(4, inner)
    }

    static func read(_ fields: FieldReader) throws(LinkError) -> (key: PolicyTable.BlockKey, scope: UInt32) {
        var fields = fields
        var outer: UInt32 = 0
        var inner: UInt32 = 0
        var first = Address.unspecified
        var bits: UInt8 = 0
        while let field = try fields.next() {
            switch field.tag {
            case 1: outer = try field.number()
            case 2: first = try Address(field.nested)
            case 3: bits = try field.number()
            case 4: inner = try field.number()
            default: break
            }
        }
        return (PolicyTable.BlockKey(scope: outer, block: AddressBlock(first, bits: bits)), inner)
    }
}

extension Address {
    func write(_ tag: UInt16, to fields: inout FieldWriter) {
        fields.nest(tag) {
            $0.put(1, high)
            $0.put(2, low)
        }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        var high: UInt64 = 0
        var low: UInt64 = 0
        while let field = try fields.next() {
            switch field.tag {
            case 1: high = try field.number()
            case 2: low = try field.number()
            default: break
            }
        }
        self.init(high: high, low: low)
    }
}

extension Snapshot.Endpoint {
    func write(to fields: inout FieldWriter) {
        fields.put(1, number)
        address.address.write(2, to: &fields)
        fields.put(3, address.port)
        fields.put(4, workload)
        fields.put(5, identity)
        fields.put(6, scope)
        if seesClients { fields.put(7, true) }
        if node != 0 { fields.put(8, node) }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(number: 0, address: SocketAddress(.unspecified, 0), workload: 0, identity: 0, scope: 0)
        while let field = try fields.next() {
            switch field.tag {
            case 1: number = try field.number()
            case 2: address.address = try Address(field.nested)
            case 3: address.port = try field.number()
            case 4: workload = try field.number()
            case 5: identity = try field.number()
            case 6: scope = try field.number()
            case 7: seesClients = try field.flag()
            case 8: node = try field.number()
            default: break
            }
        }
    }
}

extension Snapshot.Service {
    func write(to fields: inout FieldWriter) {
        fields.put(1, number)
        fields.put(2, name.name)
        fields.put(3, name.namespace)
        for address in addresses { address.write(4, to: &fields) }
        for port in ports { fields.nest(5) { port.write(to: &$0) } }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(number: 0, name: ObjectName("", namespace: ""), addresses: [], ports: [])
        while let field = try fields.next() {
            switch field.tag {
            case 1: number = try field.number()
            case 2: name.name = try field.text()
            case 3: name.namespace = try field.text()
            case 4: addresses.append(try Address(field.nested))
            case 5: ports.append(try Snapshot.ServicePort(field.nested))
            default: break
            }
        }
    }
}

extension Snapshot.ServicePort {
    func write(to fields: inout FieldWriter) {
        fields.put(1, name)
        fields.put(2, port)
        fields.put(3, transport.rawValue)
        fields.put(4, appProtocol)
        fields.put(5, path.rawValue)
        fields.put(6, failOpen)
        fields.put(7, connectTimeout)
        fields.put(8, idleTimeout)
        fields.put(9, scope)
        for endpoint in endpoints4 { fields.nest(10) { endpoint.write(to: &$0) } }
        for endpoint in endpoints6 { fields.nest(11) { endpoint.write(to: &$0) } }
        if requests != RequestBalancing() { fields.nest(12) { requests.write(to: &$0) } }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(
            name: "", port: 0, transport: .tcp, appProtocol: nil, path: .proxy, failOpen: false,
            connectTimeout: TrafficPolicy.defaultConnectTimeout, idleTimeout: TrafficPolicy.defaultIdleTimeout,
            scope: 0, endpoints4: [], endpoints6: [])
        while let field = try fields.next() {
            switch field.tag {
            case 1: name = try field.text()
            case 2: port = try field.number()
            case 3: transport = try field.known("transport") { TransportProtocol(rawValue: $0) }
            case 4: appProtocol = try field.text()
            case 5: path = try field.known("path") { Path(rawValue: $0) }
            case 6: failOpen = try field.flag()
            case 7: connectTimeout = try field.number()
            case 8: idleTimeout = try field.number()
            case 9: scope = try field.number()
            case 10: endpoints4.append(try Snapshot.WeightedEndpoint(field.nested))
            case 11: endpoints6.append(try Snapshot.WeightedEndpoint(field.nested))
            case 12: requests = try RequestBalancing(field.nested)
            default: break
            }
        }
    }
}

extension RequestBalancing {
    func write(to fields: inout FieldWriter) {
        fields.put(1, algorithm.rawValue)
        fields.put(2, hashHeader)
        fields.put(3, slowStart)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init()
        while let field = try fields.next() {
            switch field.tag {
            case 1: algorithm = try field.known("algorithm") { Algorithm(rawValue: $0) }
            case 2: hashHeader = try field.text()
            case 3: slowStart = try field.number()
            default: break
            }
        }
    }
}

extension Snapshot.WeightedEndpoint {
    func write(to fields: inout FieldWriter) {
        fields.put(1, endpoint)
        fields.put(2, weight)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(endpoint: 0, weight: 0)
        while let field = try fields.next() {
            switch field.tag {
            case 1: endpoint = try field.number()
            case 2: weight = try field.number()
            default: break
            }
        }
    }
}

extension Field {
    /// A value of an enumeration. One that this build does not know is an error: to guess would be to do something
    /// else than was asked, so the whole snapshot is refused and the former stays.
    fileprivate func known<Value>(_ what: String, _ value: (UInt8) -> Value?) throws(LinkError) -> Value {
        let raw: UInt8 = try number()
        guard let value = value(raw) else { throw LinkError("\(what) \(raw) is not known to this version") }
        return value
    }
}

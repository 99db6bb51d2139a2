// SPDX-License-Identifier: Apache-2.0

import MallaModel

extension Snapshot.Node {
    func write(to fields: inout FieldWriter) {
        fields.put(1, number)
        fields.put(2, name)
        tunnel.address.write(3, to: &fields)
        fields.put(4, tunnel.port)
        for address in addresses { address.write(5, to: &fields) }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(number: 0, name: "", tunnel: SocketAddress(.unspecified, 0))
        while let field = try fields.next() {
            switch field.tag {
            case 1: number = try field.number()
            case 2: name = try field.text()
            case 3: tunnel.address = try Address(field.nested)
            case 4: tunnel.port = try field.number()
            case 5: addresses.append(try Address(field.nested))
            default: break
            }
        }
    }
}

extension Credential {
    func write(to fields: inout FieldWriter) {
        fields.nest(1) { identity.write(number: 0, to: &$0) }
        fields.put(2, chain)
        fields.put(3, key)
        fields.put(4, UInt64(clamping: notAfter))
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(
            identity: Identity(trustDomain: "", namespace: "", serviceAccount: ""), chain: [], key: [], notAfter: 0)
        while let field = try fields.next() {
            switch field.tag {
            case 1: identity = try Identity.read(field.nested).identity
            case 2: chain = field.bytes
            case 3: key = field.bytes
            case 4: notAfter = Int64(clamping: try field.number() as UInt64)
            default: break
            }
        }
    }
}

extension TrustBundle {
    func write(to fields: inout FieldWriter) {
        fields.put(1, domain)
        fields.put(2, roots)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(domain: "", roots: [])
        while let field = try fields.next() {
            switch field.tag {
            case 1: domain = try field.text()
            case 2: roots = field.bytes
            default: break
            }
        }
    }
}

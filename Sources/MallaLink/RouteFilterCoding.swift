// SPDX-License-Identifier: Apache-2.0

import MallaModel

extension RouteFilter {
    func write(to fields: inout FieldWriter) {
        switch self {
        case .requestHeaders(let it): fields.nest(1) { it.write(to: &$0) }
        case .responseHeaders(let it): fields.nest(2) { it.write(to: &$0) }
        case .redirect(let it): fields.nest(3) { it.write(to: &$0) }
        case .rewrite(let it): fields.nest(4) { it.write(to: &$0) }
        case .mirror(let it): fields.nest(5) { it.write(to: &$0) }
        }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        guard let field = try fields.next() else { throw LinkError("a filter without a kind") }
        switch field.tag {
        case 1: self = .requestHeaders(try HeaderModification(field.nested))
        case 2: self = .responseHeaders(try HeaderModification(field.nested))
        case 3: self = .redirect(try RouteRedirect(field.nested))
        case 4: self = .rewrite(try RouteRewrite(field.nested))
        case 5: self = .mirror(try RouteMirror(field.nested))
        default: throw LinkError("filter \(field.tag) is not known to this version")
        }
    }
}

extension HeaderModification {
    func write(to fields: inout FieldWriter) {
        for field in set { fields.nest(1) { field.write(to: &$0) } }
        for field in add { fields.nest(2) { field.write(to: &$0) } }
        for name in remove { fields.put(3, name) }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init()
        while let field = try fields.next() {
            switch field.tag {
            case 1: set.append(try Field(field.nested))
            case 2: add.append(try Field(field.nested))
            case 3: remove.append(try field.text())
            default: break
            }
        }
    }
}

extension HeaderModification.Field {
    func write(to fields: inout FieldWriter) {
        fields.put(1, name)
        fields.put(2, value)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(name: "", value: "")
        while let field = try fields.next() {
            switch field.tag {
            case 1: name = try field.text()
            case 2: value = try field.text()
            default: break
            }
        }
    }
}

extension RouteRedirect {
    func write(to fields: inout FieldWriter) {
        fields.put(1, scheme)
        fields.put(2, hostname)
        if let port { fields.put(3, port) }
        path?.write(4, 5, to: &fields)
        fields.put(6, status)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init()
        while let field = try fields.next() {
            switch field.tag {
            case 1: scheme = try field.text()
            case 2: hostname = try field.text()
            case 3: port = try field.number()
            case 4: path = .full(try field.text())
            case 5: path = .prefix(try field.text())
            case 6: status = try field.number()
            default: break
            }
        }
    }
}

extension RouteRewrite {
    func write(to fields: inout FieldWriter) {
        fields.put(1, hostname)
        path?.write(2, 3, to: &fields)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init()
        while let field = try fields.next() {
            switch field.tag {
            case 1: hostname = try field.text()
            case 2: path = .full(try field.text())
            case 3: path = .prefix(try field.text())
            default: break
            }
        }
    }
}

extension PathChange {
    fileprivate func write(_ full: UInt16, _ prefix: UInt16, to fields: inout FieldWriter) {
        switch self {
        case .full(let text): fields.put(full, text)
        case .prefix(let text): fields.put(prefix, text)
        }
    }
}

extension RouteMirror {
    func write(to fields: inout FieldWriter) {
        fields.put(1, service.name)
        fields.put(2, service.namespace)
        fields.put(3, port)
        fields.put(4, numerator)
        fields.put(5, denominator)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(service: ObjectName("", namespace: ""), port: 0)
        while let field = try fields.next() {
            switch field.tag {
            case 1: service.name = try field.text()
            case 2: service.namespace = try field.text()
            case 3: port = try field.number()
            case 4: numerator = try field.number()
            case 5: denominator = try field.number()
            default: break
            }
        }
    }
}

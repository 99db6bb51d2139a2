// SPDX-License-Identifier: Apache-2.0

import MallaModel

extension Message.RoutePart {
    func write(to fields: inout FieldWriter) {
        fields.put(1, service)
        fields.put(2, port)
        fields.nest(3) { set.write(to: &$0) }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(service: 0, port: 0, set: RouteSet(rules: []))
        while let field = try fields.next() {
            switch field.tag {
            case 1: service = try field.number()
            case 2: port = try field.number()
            case 3: set = try RouteSet(field.nested)
            default: break
            }
        }
    }

    /// The rules of a service's ports, in portions that fit a frame: resources bound the size of a rule.
    static func parts(of service: Snapshot.Service) -> [Message.RoutePart] {
        var parts: [Message.RoutePart] = []
        for port in service.ports {
            for set in port.routes {
                var portion = Message.RoutePart(
                    service: service.number, port: port.port,
                    set: RouteSet(clientNamespace: set.clientNamespace, rules: []))
                var size = 0
                for rule in set.rules {
                    var fields = FieldWriter()
                    rule.write(to: &fields)
                    if size > 0, size + fields.bytes.count > Frame.maximum / 2 {
                        parts.append(portion)
                        portion.set.rules = []
                        size = 0
                    }
                    portion.set.rules.append(rule)
                    size += fields.bytes.count
                }
                parts.append(portion)
            }
        }
        return parts
    }
}

extension Snapshot.Service {
    /// Adds rules to a set of one of its ports, or makes the set. False when there is no such port.
    mutating func add(_ part: Message.RoutePart) -> Bool {
        guard let port = ports.firstIndex(where: { $0.port == part.port && $0.transport == .tcp }) else { return false }
        let namespace = part.set.clientNamespace
        if let set = ports[port].routes.firstIndex(where: { $0.clientNamespace == namespace }) {
            ports[port].routes[set].rules += part.set.rules
        } else {
            ports[port].routes.append(part.set)
        }
        return true
    }
}

extension RouteSet {
    func write(to fields: inout FieldWriter) {
        fields.put(1, clientNamespace)
        for rule in rules { fields.nest(2) { rule.write(to: &$0) } }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(rules: [])
        while let field = try fields.next() {
            switch field.tag {
            case 1: clientNamespace = try field.text()
            case 2: rules.append(try RouteRule(field.nested))
            default: break
            }
        }
    }
}

extension RouteRule {
    func write(to fields: inout FieldWriter) {
        fields.put(1, name)
        for match in matches { fields.nest(2) { match.write(to: &$0) } }
        for filter in filters { fields.nest(3) { filter.write(to: &$0) } }
        for backend in backends { fields.nest(4) { backend.write(to: &$0) } }
        if let requestTimeout { fields.put(5, requestTimeout) }
        if let backendTimeout { fields.put(6, backendTimeout) }
        if let retry { fields.nest(7) { retry.write(to: &$0) } }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(name: "")
        while let field = try fields.next() {
            switch field.tag {
            case 1: name = try field.text()
            case 2: matches.append(try RouteMatch(field.nested))
            case 3: filters.append(try RouteFilter(field.nested))
            case 4: backends.append(try RouteBackend(field.nested))
            case 5: requestTimeout = try field.number()
            case 6: backendTimeout = try field.number()
            case 7: retry = try RouteRetry(field.nested)
            default: break
            }
        }
    }
}

extension RouteMatch {
    func write(to fields: inout FieldWriter) {
        switch path {
        case .exact(let text): fields.put(1, text)
        case .prefix(let text): fields.put(2, text)
        case .expression(let text): fields.put(3, text)
        case nil: break
        }
        fields.put(4, method)
        for header in headers { fields.nest(5) { header.write(to: &$0) } }
        for parameter in parameters { fields.nest(6) { parameter.write(to: &$0) } }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init()
        while let field = try fields.next() {
            switch field.tag {
            case 1: path = .exact(try field.text())
            case 2: path = .prefix(try field.text())
            case 3: path = .expression(try field.text())
            case 4: method = try field.text()
            case 5: headers.append(try Value(field.nested))
            case 6: parameters.append(try Value(field.nested))
            // A condition that this build does not know must not be left out: the rule would match too much.
            default: throw LinkError("a match has a condition \(field.tag) that is not known to this version")
            }
        }
    }
}

extension RouteMatch.Value {
    func write(to fields: inout FieldWriter) {
        fields.put(1, name)
        fields.put(2, value)
        fields.put(3, isExpression)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(name: "", value: "")
        while let field = try fields.next() {
            switch field.tag {
            case 1: name = try field.text()
            case 2: value = try field.text()
            case 3: isExpression = try field.flag()
            default: break
            }
        }
    }
}

extension RouteBackend {
    func write(to fields: inout FieldWriter) {
        fields.put(1, service.name)
        fields.put(2, service.namespace)
        fields.put(3, port)
        fields.put(4, weight)
        for filter in filters { fields.nest(5) { filter.write(to: &$0) } }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(service: ObjectName("", namespace: ""), port: 0)
        while let field = try fields.next() {
            switch field.tag {
            case 1: service.name = try field.text()
            case 2: service.namespace = try field.text()
            case 3: port = try field.number()
            case 4: weight = try field.number()
            case 5: filters.append(try RouteFilter(field.nested))
            default: break
            }
        }
    }
}

extension RouteRetry {
    func write(to fields: inout FieldWriter) {
        for code in codes { fields.put(1, code) }
        fields.put(2, attempts)
        if let backoff { fields.put(3, backoff) }
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init()
        while let field = try fields.next() {
            switch field.tag {
            case 1: codes.append(try field.number())
            case 2: attempts = try field.number()
            case 3: backoff = try field.number()
            default: break
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// What `HTTPRoute` and `GRPCRoute` have in common.
struct RouteFields {
    let metadata: Metadata
    /// Bytes of a rule: it travels to the proxy in one piece.
    private static let largestRule = 200_000
    /// Fields that Gateway API has and that change nothing that a service's route does.
    private static let unread = "the field is known, but this version does not do what it asks for"

    /// The services that the route is for.
    func parents(_ spec: Fields) -> [Route.Parent]? {
        guard
            let value = spec.required("parentRefs", hint: "Name the service: `[{group: \"\", kind: Service, name: …}]`")
        else { return nil }
        return read(value.list(atLeast: 1)) { entry in
            guard let fields = entry.fields() else { return nil }
            // The default of both fields is a Gateway of Gateway API.
            guard let group = fields.required("group", hint: "Write `group: \"\"` for a Service"),
                let kind = fields.required("kind", hint: "Write `kind: Service`")
            else {
                fields.ignore(["name", "namespace", "port", "sectionName"])
                return nil
            }
            let groupText = group.text()
            let isService = kind.choice([("Service", true), ("Gateway", false)])
            if isService == false {
                kind.fail("Gateways are not read by this version", hint: "Attach the route to a Service")
            } else if let groupText, !groupText.isEmpty, groupText != "core" {
                group.fail("a Service is of the group \"\", not \"\(groupText.excerpt)\"", hint: "Write `group: \"\"`")
            }
            let name = objectName(fields, remember: "parent")
            var port: UInt16??
            if let value = fields.optional("port") { port = .some(value.port()) }
            var portName: String??
            if let value = fields.optional("sectionName") { portName = .some(value.text(Syntax.portName)) }
            fields.finish()
            guard isService == true, groupText?.isEmpty ?? false || groupText == "core", let name,
                port != .some(nil), portName != .some(nil)
            else { return nil }
            return Route.Parent(service: name, port: port ?? nil, portName: portName ?? nil)
        }
    }

    /// The rules, each read by `matches` and `filters` and what they share.
    func rules(_ spec: Fields, _ rule: (Fields, RouteRule) -> RouteRule?) -> [RouteRule]? {
        guard let value = spec.required("rules", hint: "Write what happens to the requests") else { return nil }
        guard let entries = value.list(atLeast: 1) else { return nil }
        guard entries.count <= 1_000 else {
            value.fail("\(entries.count) rules; at most 1000 are allowed", hint: "Split the route")
            return nil
        }
        var index = 0
        return read(entries) { entry in
            defer { index += 1 }
            guard let fields = entry.fields() else { return nil }
            var own: String? = "\(index)"
            if let value = fields.optional("name") { own = value.text(Syntax.name) }
            fields.refuse(["sessionPersistence"], Self.unread, hint: "Remove it")
            let backends = fields.optional("backendRefs").map { self.backends($0) } ?? []
            defer { fields.finish() }
            guard let own, let backends else {
                _ = rule(fields, RouteRule(name: ""))
                return nil
            }
            let name = "\(metadata.name.namespace)/\(metadata.name.name)[\(own)]"
            guard let whole = rule(fields, RouteRule(name: name, backends: backends)) else { return nil }
            guard whole.size <= Self.largestRule else {
                entry.fail("the rule is larger than \(Self.largestRule) bytes", hint: "Split it")
                return nil
            }
            return whole
        }
    }

    private func backends(_ value: Value) -> [RouteBackend]? {
        read(value.list()) { entry in
            guard let fields = entry.fields() else { return nil }
            let target = service(fields)
            var weight: Int? = 1
            if let value = fields.optional("weight") { weight = value.integer(0...1_000_000) }
            var filters: [RouteFilter]? = []
            if let value = fields.optional("filters") {
                filters = RouteFilterFields(route: self, isBackend: true).filters(value)
            }
            fields.finish()
            guard let target, let weight, let filters else { return nil }
            return RouteBackend(
                service: target.name, port: target.port, weight: UInt32(clamping: weight), filters: filters)
        }
    }

    /// A reference to a port of a service.
    func service(_ fields: Fields) -> (name: ObjectName, port: UInt16)? {
        var isService = true
        if let group = fields.optional("group"), let text = group.text(), !text.isEmpty, text != "core" {
            group.fail("\"\(text.excerpt)\" has no kind that requests can be sent to", hint: "Remove the field")
            isService = false
        }
        if let kind = fields.optional("kind") { isService = kind.choice([("Service", true)]) == true && isService }
        let name = objectName(fields, remember: nil)
        let port = fields.required("port", hint: "Name the service's port")?.port()
        guard isService, let name, let port else { return nil }
        return (name, port)
    }

    /// `name` and `namespace`; the route's own namespace where none is said.
    private func objectName(_ fields: Fields, remember place: String?) -> ObjectName? {
        let value = fields.required("name")
        let name = value?.text(Syntax.name)
        var namespace: String? = metadata.name.namespace
        if let value = fields.optional("namespace") { namespace = value.text(Syntax.name) }
        guard let value, let name, let namespace else { return nil }
        let result = ObjectName(name, namespace: namespace)
        if let place { value.report.remember("\(place) \(result)", at: value.position) }
        return result
    }

    /// What `read` makes of all entries; `nil` when it could not of one.
    func read<T>(_ entries: [Value]?, _ read: (Value) -> T?) -> [T]? {
        guard let entries else { return nil }
        let result = entries.compactMap(read)
        return result.count == entries.count ? result : nil
    }

    /// Header fields or parameters to match.
    func values(_ value: Value, name check: @escaping Value.Check<String>, isHeader: Bool) -> [RouteMatch.Value]? {
        guard let entries = value.list() else { return nil }
        guard entries.count <= 16 else {
            value.fail("\(entries.count) entries; at most 16 are allowed")
            return nil
        }
        var names: Set<String> = []
        return read(entries) { entry in
            guard let fields = entry.fields() else { return nil }
            var isExpression: Bool? = false
            if let type = fields.optional("type") {
                isExpression = type.choice([("Exact", false), ("RegularExpression", true)])
            }
            let nameValue = fields.required("name")
            let name = nameValue?.text(check)
            let text = fields.required("value")
            let value = text?.text(Syntax.fieldValue)
            fields.finish()
            guard let isExpression, let nameValue, let name, let text, let value else { return nil }
            guard names.insert(isHeader ? name.lowercased() : name).inserted else {
                nameValue.fail("\(name.excerpt) is matched twice", hint: "Join them, or write a second match")
                return nil
            }
            if isExpression, !text.isExpression(value) { return nil }
            return RouteMatch.Value(name: name, value: value, isExpression: isExpression)
        }
    }
}

extension RouteRule {
    /// About how many bytes its texts have, more rather than less.
    fileprivate var size: Int {
        var size = backends.count * 200
        for match in matches {
            switch match.path {
            case .exact(let text), .prefix(let text), .expression(let text): size += text.utf8.count
            case nil: break
            }
            for value in match.headers + match.parameters { size += value.name.utf8.count + value.value.utf8.count }
            size += 64
        }
        for filter in filters + backends.flatMap(\.filters) {
            size += 256
            switch filter {
            case .requestHeaders(let changes), .responseHeaders(let changes):
                for field in changes.set + changes.add { size += field.name.utf8.count + field.value.utf8.count + 32 }
                for name in changes.remove { size += name.utf8.count + 32 }
            case .redirect, .rewrite, .mirror: size += 3_000
            }
        }
        return size
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Reads the lists of one `source`, `operation` or condition; remembers whether any of them could not be read.
struct ListReading {
    let fields: Fields
    private(set) var failed = false

    init(_ fields: Fields) { self.fields = fields }

    /// The entries of a list that may be missing.
    mutating func list<T>(_ name: String, _ read: (Value) -> T?) -> [T] {
        guard fields.has(name) else { return [] }
        let entries = fields.optional(name).flatMap { Reading.all($0.list(atLeast: 1), read) }
        failed = failed || entries == nil
        return entries ?? []
    }

    /// Text entries, each judged by `check`.
    mutating func texts(_ name: String, _ check: @escaping Value.Check<String>) -> [String] {
        list(name) { $0.text(check) }
    }

    /// Fields that only a request could be judged by: those of `names` that are there, which are looked at no further
    /// than that they are lists of text.
    mutating func requestFields(_ names: [String]) -> [String] {
        names.filter { name in
            guard fields.has(name) else { return false }
            _ = texts(name) { $0.isEmpty ? .init(message: "the entry is empty") : nil }
            return true
        }
    }
}

extension AuthorizationPolicy.Source {
    /// Reads an entry of `from`.
    init?(_ value: Value, requestFields: inout [String]) {
        guard let entry = value.fields() else { return nil }
        defer { entry.finish() }
        guard let source = entry.required("source"), let fields = source.fields() else { return nil }
        fields.refuse(
            ["trustDomains", "notTrustDomains"], "the field is known, but this version cannot enforce it",
            hint: "Write principals with the trust domain, such as other.org/*")
        var lists = ListReading(fields)
        self.init(
            principals: lists.texts("principals", Self.principal),
            notPrincipals: lists.texts("notPrincipals", Self.principal),
            namespaces: lists.texts("namespaces", Syntax.pattern),
            notNamespaces: lists.texts("notNamespaces", Syntax.pattern),
            serviceAccounts: lists.texts("serviceAccounts", Self.serviceAccount),
            notServiceAccounts: lists.texts("notServiceAccounts", Self.serviceAccount),
            ipBlocks: lists.list("ipBlocks", AddressBlock.read),
            notIPBlocks: lists.list("notIpBlocks", AddressBlock.read))
        requestFields += lists.requestFields([
            "requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks",
        ])
        let isEmpty = fields.all().isEmpty
        fields.finish()
        if isEmpty {
            source.fail(
                "the source says nothing",
                hint: "Name principals, namespaces, serviceAccounts or ipBlocks, or leave `from` out")
        }
        if lists.failed || isEmpty { return nil }
    }

    /// What a principal, or a pattern of principals, may look like.
    static func principal(_ text: String) -> DocumentReport.Flaw? {
        if text.hasPrefix("spiffe://") {
            return .init(
                message: "\"\(text.excerpt)\" would never match: principals are written without spiffe://",
                hint: "Write trust-domain/ns/namespace/sa/account")
        }
        if let flaw = Syntax.pattern(text) { return flaw }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if text.contains("*") || (parts.count == 5 && parts[1] == "ns" && parts[3] == "sa") { return nil }
        return .init(
            message: "\"\(text.excerpt)\" would never match: it is no principal",
            hint: "Write trust-domain/ns/namespace/sa/account, or a pattern with * at one end")
    }

    /// What a service account, or a pattern of service accounts, may look like.
    static func serviceAccount(_ text: String) -> DocumentReport.Flaw? {
        if let flaw = Syntax.pattern(text) { return flaw }
        return text.count(where: { $0 == "/" }) <= 1
            ? nil
            : .init(message: "\"\(text.excerpt)\" would never match", hint: "Write account, or namespace/account")
    }
}

extension AuthorizationPolicy.Operation {
    /// Reads an entry of `to`.
    init?(_ value: Value, requestFields: inout [String]) {
        guard let entry = value.fields() else { return nil }
        defer { entry.finish() }
        guard let operation = entry.required("operation"), let fields = operation.fields() else { return nil }
        var lists = ListReading(fields)
        self.init(ports: lists.list("ports", Self.port), notPorts: lists.list("notPorts", Self.port))
        requestFields += lists.requestFields(["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"])
        let isEmpty = fields.all().isEmpty
        fields.finish()
        if isEmpty { operation.fail("the operation says nothing", hint: "Name ports, or leave `to` out") }
        if lists.failed || isEmpty { return nil }
    }

    /// Istio writes ports as text; numbers mean the same.
    static func port(_ value: Value) -> UInt16? {
        guard case .text(let text) = value.content else { return value.port() }
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt16(text), number > 0
        else {
            value.fail("\"\(text.excerpt)\" is no port", hint: "Write a number from 1 to 65535")
            return nil
        }
        return number
    }
}

extension AuthorizationPolicy.Condition {
    private static let requestKeys = [
        "request.headers[", "request.auth.principal", "request.auth.audiences", "request.auth.presenter",
        "request.auth.claims[", "remote.ip", "connection.sni", "experimental.envoy.filters.",
    ]
    private static let known = [
        "source.ip", "source.principal", "source.namespace", "source.serviceAccount", "destination.ip",
        "destination.port",
    ]

    /// Reads an entry of `when`. The inner `nil`: it is about a request, and its key stands in `requestFields`.
    static func read(_ value: Value, requestFields: inout [String]) -> Self?? {
        guard let fields = value.fields() else { return nil }
        defer { fields.finish() }
        var lists = ListReading(fields)
        guard let keyValue = fields.required("key"), let key = keyValue.text() else {
            fields.ignore(["values", "notValues"])
            return nil
        }
        guard fields.has("values") || fields.has("notValues") else {
            value.fail("the condition says nothing", hint: "Write values or notValues")
            return nil
        }
        let condition: Self?
        switch key {
        case "source.ip":
            condition = .source(
                .init(
                    ipBlocks: lists.list("values", AddressBlock.read),
                    notIPBlocks: lists.list("notValues", AddressBlock.read)))
        case "source.principal":
            let check = AuthorizationPolicy.Source.principal
            condition = .source(
                .init(principals: lists.texts("values", check), notPrincipals: lists.texts("notValues", check)))
        case "source.namespace":
            condition = .source(
                .init(
                    namespaces: lists.texts("values", Syntax.pattern),
                    notNamespaces: lists.texts("notValues", Syntax.pattern)))
        case "source.serviceAccount":
            let check = AuthorizationPolicy.Source.serviceAccount
            condition = .source(
                .init(
                    serviceAccounts: lists.texts("values", check), notServiceAccounts: lists.texts("notValues", check)))
        case "destination.ip":
            condition = .destination(
                blocks: lists.list("values", AddressBlock.read), notBlocks: lists.list("notValues", AddressBlock.read))
        case "destination.port":
            let port = AuthorizationPolicy.Operation.port
            condition = .operation(.init(ports: lists.list("values", port), notPorts: lists.list("notValues", port)))
        default:
            guard
                requestKeys.contains(where: { $0.hasSuffix("[") || $0.hasSuffix(".") ? key.hasPrefix($0) : key == $0 })
            else {
                let near = Spelling.nearest(to: key, among: known)
                keyValue.fail(
                    "\"\(key.excerpt)\" is no known condition",
                    hint: near.map { "Did you mean \($0)?" } ?? "Known are \(known.formatted(last: "and"))")
                fields.ignore(["values", "notValues"])
                return nil
            }
            _ = lists.requestFields(["values", "notValues"])
            requestFields.append(key.excerpt)
            condition = nil
        }
        return lists.failed ? nil : .some(condition)
    }
}

extension AddressBlock {
    /// Reads an address or a block.
    static func read(_ value: Value) -> AddressBlock? {
        guard let text = value.text() else { return nil }
        guard let block = AddressBlock(text) else {
            value.fail(
                "\"\(text.excerpt)\" is no block of addresses",
                hint: "Write for example 10.1.0.0/16, fd00::/8 or 10.1.2.3")
            return nil
        }
        return block
    }
}

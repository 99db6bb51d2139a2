// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension AuthorizationPolicy {
    private static let notYet = "the field is known, but this version cannot enforce it"
    private static let notYetHint =
        "It judges connections by principals, namespaces, serviceAccounts and ports; a rule that says more would be "
        + "enforced as something else"

    /// Reads `spec` of a `security.istio.io/v1/AuthorizationPolicy`; `nil` after problems.
    ///
    /// Fields that only an HTTP request or a packet filter could judge are problems, not ignored: without them a rule
    /// would allow or deny more than it says.
    init?(_ spec: Fields, _ metadata: Metadata) {
        spec.refuse(["provider", "targetRef", "targetRefs"], Self.notYet, hint: "Use a selector")
        var selector: [String: String]? = [:]
        if let value = spec.optional("selector") { selector = Self.selector(value) }
        var action: Action? = .allow
        if let value = spec.optional("action") { action = Self.action(value) }
        var rules: [Rule]? = []
        if let value = spec.optional("rules") { rules = Self.read(value.list(), Self.rule) }
        guard let selector, let action, let rules else { return nil }
        self.init(name: metadata.name, selector: selector, action: action, rules: rules)
    }

    private static func selector(_ value: Value) -> [String: String]? {
        guard let fields = value.fields() else { return nil }
        let labels = fields.required("matchLabels", hint: "Or leave the selector out, for every workload")?
            .texts(keys: Syntax.labelKey, values: Syntax.labelValue)
        fields.finish()
        return labels
    }

    private static func action(_ value: Value) -> Action? {
        if case .text(let text) = value.content, text == "AUDIT" || text == "CUSTOM" {
            value.fail("\(text) is known, but this version cannot enforce it", hint: "Use ALLOW or DENY")
            return nil
        }
        return value.choice([("ALLOW", .allow), ("DENY", .deny)])
    }

    private static func rule(_ value: Value) -> Rule? {
        guard let fields = value.fields() else { return nil }
        fields.refuse(["when"], notYet, hint: notYetHint)
        var from: [Source]? = []
        if let value = fields.optional("from") { from = read(value.list(atLeast: 1), source) }
        var to: [Operation]? = []
        if let value = fields.optional("to") { to = read(value.list(atLeast: 1), operation) }
        fields.finish()
        guard let from, let to else { return nil }
        return Rule(from: from, to: to)
    }

    private static func source(_ value: Value) -> Source? {
        guard let entry = value.fields() else { return nil }
        defer { entry.finish() }
        guard let source = entry.required("source"), let fields = source.fields() else { return nil }
        fields.refuse(
            [
                "ipBlocks", "notIpBlocks", "notNamespaces", "notPrincipals", "notRemoteIpBlocks",
                "notRequestPrincipals", "notServiceAccounts", "remoteIpBlocks", "requestPrincipals",
            ], notYet, hint: notYetHint)
        var failed = false
        func patterns(_ name: String, _ check: @escaping Value.Check<String>) -> [String] {
            guard let value = fields.optional(name) else { return [] }
            let entries = read(value.list(atLeast: 1)) { $0.text(check) }
            failed = failed || entries == nil
            return entries ?? []
        }
        let result = Source(
            principals: patterns("principals", principal), namespaces: patterns("namespaces", Syntax.pattern),
            serviceAccounts: patterns("serviceAccounts", serviceAccount))
        let isEmpty = fields.all().isEmpty
        fields.finish()
        if isEmpty {
            source.fail(
                "the source says nothing", hint: "Name principals, namespaces or serviceAccounts, or leave `from` out")
        }
        return failed || isEmpty ? nil : result
    }

    private static func principal(_ text: String) -> DocumentReport.Flaw? {
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

    private static func serviceAccount(_ text: String) -> DocumentReport.Flaw? {
        if let flaw = Syntax.pattern(text) { return flaw }
        return text.count(where: { $0 == "/" }) <= 1
            ? nil
            : .init(message: "\"\(text.excerpt)\" would never match", hint: "Write account, or namespace/account")
    }

    private static func operation(_ value: Value) -> Operation? {
        guard let entry = value.fields() else { return nil }
        defer { entry.finish() }
        guard let operation = entry.required("operation"), let fields = operation.fields() else { return nil }
        fields.refuse(
            ["hosts", "methods", "notHosts", "notMethods", "notPaths", "notPorts", "paths"], notYet, hint: notYetHint)
        let ports = fields.optional("ports").map { read($0.list(atLeast: 1), port) }
        let isEmpty = fields.all().isEmpty
        fields.finish()
        if isEmpty { operation.fail("the operation says nothing", hint: "Name ports, or leave `to` out") }
        guard let ports else { return nil }
        return ports.map { Operation(ports: $0) }
    }

    /// Istio writes ports as text; numbers mean the same.
    private static func port(_ value: Value) -> UInt16? {
        guard case .text(let text) = value.content else { return value.port() }
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt16(text), number > 0
        else {
            value.fail("\"\(text.excerpt)\" is no port", hint: "Write a number from 1 to 65535")
            return nil
        }
        return number
    }

    /// What `read` makes of all entries; `nil` when it could not of one.
    private static func read<T>(_ entries: [Value]?, _ read: (Value) -> T?) -> [T]? {
        guard let entries else { return nil }
        let result = entries.compactMap(read)
        return result.count == entries.count ? result : nil
    }
}

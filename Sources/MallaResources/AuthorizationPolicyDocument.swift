// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension AuthorizationPolicy {
    private static let notYet = "the field is known, but this version cannot enforce it"

    /// Reads `spec` of a `security.istio.io/v1/AuthorizationPolicy`; `nil` after problems.
    ///
    /// Fields that are about HTTP requests are taken, as Istio takes them where there is no HTTP to see, with a
    /// warning. What would change the meaning of a policy in another way is a problem.
    init?(_ spec: Fields, _ metadata: Metadata) {
        spec.refuse(["provider", "targetRef", "targetRefs"], Self.notYet, hint: "Use a selector")
        var selector: [String: String]? = [:]
        if let value = spec.optional("selector") { selector = Self.selector(value) }
        var action: Action? = .allow
        if let value = spec.optional("action") { action = Self.action(value) }
        var rules: [Rule]? = []
        if let value = spec.optional("rules") {
            rules = Reading.all(value.list()) { Self.rule($0, action ?? .allow) }
        }
        guard let selector, let action, let rules else { return nil }
        self.init(
            name: metadata.name, selector: selector, action: action, rules: rules, isDryRun: metadata.isDryRun)
    }

    /// Reads `spec.selector`; `nil` after problems.
    static func selector(_ value: Value) -> [String: String]? {
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

    private static func rule(_ value: Value, _ action: Action) -> Rule? {
        guard let fields = value.fields() else { return nil }
        var requestFields: [String] = []
        var from: [Source]? = []
        if let value = fields.optional("from") {
            from = Reading.all(value.list(atLeast: 1)) { Source($0, requestFields: &requestFields) }
        }
        var to: [Operation]? = []
        if let value = fields.optional("to") {
            to = Reading.all(value.list(atLeast: 1)) { Operation($0, requestFields: &requestFields) }
        }
        var when: [Condition?]? = []
        if let value = fields.optional("when") {
            when = Reading.all(value.list(atLeast: 1)) { Condition.read($0, requestFields: &requestFields) }
        }
        fields.finish()
        guard let from, let to, let when else { return nil }
        if !requestFields.isEmpty {
            value.report.warn(
                .init(
                    message: "\(requestFields.formatted(last: "and")) can only be judged by HTTP requests: "
                        + (action == .allow
                            ? "no connection matches this ALLOW rule"
                            : "this DENY rule denies every connection that its other fields match"),
                    hint: "Judge connections by principals, namespaces, serviceAccounts, ipBlocks and ports"),
                field: value.field, at: value.position)
        }
        return Rule(from: from, to: to, when: when.compactMap { $0 }, requestFields: requestFields)
    }
}

/// Lists of which every entry must be readable.
enum Reading {
    /// What `read` makes of all entries; `nil` when it could not of one.
    static func all<T>(_ entries: [Value]?, _ read: (Value) -> T?) -> [T]? {
        guard let entries else { return nil }
        let result = entries.compactMap(read)
        return result.count == entries.count ? result : nil
    }
}

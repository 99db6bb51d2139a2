// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

/// A document with one thing wrong. `¦` stands where the problem is reported and is no part of the document.
struct BadDocument: Sendable, CustomTestStringConvertible {
    var text: String
    var field: String
    var message: String
    var hint: String

    init(_ text: String, _ field: String, _ message: String, hint: String = "") {
        self.text = text
        self.field = field
        self.message = message
        self.hint = hint
    }

    var testDescription: String { "\(field): \(message)" }

    /// The document, and the line and column of the mark.
    var marked: (text: String, line: Int, column: Int) {
        let before = text.prefix { $0 != "¦" }
        let lines = before.split(separator: "\n", omittingEmptySubsequences: false)
        return (text.replacing("¦", with: ""), lines.count, (lines.last?.count ?? 0) + 1)
    }

    /// A Service whose `spec` is this.
    static func service(_ spec: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        .init("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  \(spec)", field, message, hint: hint)
    }

    /// A Service with a selector whose port is this.
    static func port(_ port: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        .service("selector: {app: a}\n  ports:\n  - \(port)", field, message, hint: hint)
    }

    /// A Workload whose `spec` is this.
    static func workload(_ spec: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        let head = "apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {name: a}\nspec:\n  "
        return .init(head + spec, field, message, hint: hint)
    }

    /// A Workload that is found by its cgroup and has this besides.
    static func found(_ spec: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        .workload("match: {cgroup: /a}\n  \(spec)", field, message, hint: hint)
    }

    /// A Service, and a TrafficPolicy whose `spec` is this.
    static func traffic(_ spec: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        let service =
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {b: c}, ports: [{port: 1}]}\n"
        let head = "---\napiVersion: malla.dev/v1\nkind: TrafficPolicy\nmetadata: {name: a}\nspec:\n  "
        return .init(service + head + spec, field, message, hint: hint)
    }

    /// An AuthorizationPolicy whose `spec` is this.
    static func policy(_ spec: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        let head = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  "
        return .init(head + spec, field, message, hint: hint)
    }

    /// A MeshConfig whose `spec` is this.
    static func config(_ spec: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        let head = "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a}\nspec:\n  "
        return .init(head + spec, field, message, hint: hint)
    }
}

@Suite("Bad documents")
struct BadDocumentTests {
    @Test("documents", arguments: BadDocument.documents)
    func documents(bad: BadDocument) { check(bad) }

    @Test("services", arguments: BadDocument.services)
    func services(bad: BadDocument) { check(bad) }

    @Test("workloads", arguments: BadDocument.workloads)
    func workloads(bad: BadDocument) { check(bad) }

    @Test("authorization policies", arguments: BadDocument.policies)
    func policies(bad: BadDocument) { check(bad) }

    @Test("traffic policies and the mesh", arguments: BadDocument.traffic)
    func traffic(bad: BadDocument) { check(bad) }

    @Test("routes", arguments: BadDocument.routes)
    func routes(bad: BadDocument) { check(bad) }

    @Test("there are enough of them")
    func count() {
        let all = [
            BadDocument.documents, BadDocument.services, BadDocument.workloads, BadDocument.policies,
            BadDocument.traffic, BadDocument.routes,
        ]
        #expect(all.map(\.count).reduce(0, +) >= 60)
    }

    /// The expected problem is the first one, and there is no other at another place.
    private func check(_ bad: BadDocument) {
        let (text, line, column) = bad.marked
        let found = problems(text)
        guard let first = found.first else {
            Issue.record("no problem in\n\(text)")
            return
        }
        #expect(found.count == 1, "\(found.map(\.description).joined(separator: "\n"))")
        #expect("\(first.line):\(first.column)" == "\(line):\(column)", "\(first)")
        #expect(first.field == bad.field, "\(first)")
        #expect(first.message.contains(bad.message), "\(first)")
        #expect(first.hint.contains(bad.hint), "\(first)")
        #expect(first.description.hasPrefix("a.yaml:\(line):\(column): error: \(bad.field)"))
        #expect(first.description.hasSuffix(".") || first.description.hasSuffix("?"))
    }
}

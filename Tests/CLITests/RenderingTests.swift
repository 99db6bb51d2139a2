// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("What the command line prints")
struct RenderingTests {
    static let lists = ["workloads", "services", "endpoints", "policies", "connections", "tunnels", "certificates"]
    static let forms = ["table", "wide", "json", "yaml", "name"]

    @Test("lists, in every form", arguments: lists, forms)
    func list(_ noun: String, _ form: String) throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla([noun, "-o", form, "--admin", admin.socket])
        #expect(output.status == 0 && output.errors.isEmpty, "\(output.errors)")
        try expectGolden(output.text, "\(noun)-\(form)")
    }

    @Test("the authority, for people and for programs", arguments: ["table", "json", "yaml"])
    func authority(_ form: String) throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["ca", "status", "-o", form, "--admin", admin.socket])
        #expect(output.status == 0 && output.errors.isEmpty, "\(output.errors)")
        try expectGolden(output.text, "ca-\(form)")
        let tokens = try malla(["ca", "token", "list", "-o", form, "--admin", admin.socket])
        try expectGolden(tokens.text, "ca-tokens-\(form)")
    }

    @Test("JSON is what the API answers")
    func json() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["workloads", "-o", "json", "--admin", admin.socket])
        #expect(try JSONDecoder().decode([WorkloadView].self, from: Data(output.text.utf8)) == Views.workloads)
    }

    @Test("strings that look like JSON's own marks come through unchanged")
    func quoting() throws {
        var view = Views.workloads[0]
        view.labels = ["a\" : b": "{}", "\\": "[\n\n]", "x": "\" : \""]
        let admin = try FakeAdmin(views: ["GET /v1/workloads": [view]])
        defer { admin.stop() }
        let output = try malla(["workloads", "-o", "json", "--admin", admin.socket])
        #expect(try JSONDecoder().decode([WorkloadView].self, from: Data(output.text.utf8)) == [view], "\(output.text)")
    }

    @Test("an empty list says so on standard error, and is an empty document", arguments: lists)
    func empty(_ noun: String) throws {
        let admin = try FakeAdmin(["GET /v1/\(noun)": .init(parts: ["[]"])])
        defer { admin.stop() }
        let table = try malla([noun, "--admin", admin.socket])
        #expect(table.status == 0 && table.text.isEmpty && table.errors == "no \(noun)\n")
        let json = try malla([noun, "-o", "json", "--admin", admin.socket])
        #expect(json.status == 0 && json.errors.isEmpty && json.text == "[]\n")
    }

    @Test("names select, with and without their namespace; others are refused with the nearest")
    func selection() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        func names(_ arguments: String...) throws -> Output {
            try malla(["workloads", "-o", "name", "--admin", admin.socket] + arguments)
        }
        #expect(try names("owl").text == "owl.night\n")
        #expect(try names("owl.night", "backend-v1").text == "owl.night\nbackend-v1.default\n")
        let missing = try names("backend-v2")
        #expect(missing.status == 1 && missing.text.isEmpty)
        #expect(missing.errors == "error: there is no workload 'backend-v2'\nhint: did you mean backend-v1?\n")
    }

    @Test("titles may be left out")
    func withoutHeaders() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["endpoints", "--no-headers", "--service", "backend", "--admin", admin.socket])
        try expectGolden(output.text, "endpoints-without-headers")
    }

    @Test("connections of one workload")
    func connectionsOfWorkload() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["connections", "--workload", "backend-v1", "-o", "name", "--admin", admin.socket])
        #expect(output.text == "40962\n")
    }

    @Test("the status of a node that is well, in every form", arguments: ["table", "json", "yaml"])
    func status(_ form: String) throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["status", "-o", form, "--admin", admin.socket])
        #expect(output.status == 0)
        try expectGolden(output.text, "status-\(form)")
    }

    @Test("the status of a node in trouble")
    func troubled() throws {
        let admin = try FakeAdmin(views: ["GET /v1/status": Views.troubled])
        defer { admin.stop() }
        let output = try malla(["status", "--admin", admin.socket])
        #expect(output.status == 0)
        try expectGolden(output.text, "status-troubled")
    }

    @Test("an explanation, allowed and denied, and what it says by its exit status")
    func explain() throws {
        for (name, view, status) in [("allowed", Views.allowed, Int32(0)), ("denied", Views.denied, 1)] {
            let admin = try FakeAdmin(views: ["GET /v1/explain": view])
            defer { admin.stop() }
            let output = try malla(["explain", "--from", "a b&c", "--to", "backend:80", "--admin", admin.socket])
            #expect(output.status == status && output.errors.isEmpty)
            try expectGolden(output.text, "explain-\(name)")
            #expect(admin.requests.map(\.line) == ["GET /v1/explain?from=a%20b%26c&to=backend%3A80"])
            let json = try malla(
                ["explain", "--from", "a", "--to", "backend:80", "-o", "json", "--admin", admin.socket])
            #expect(json.status == status)
            #expect(try JSONDecoder().decode(ExplainView.self, from: Data(json.text.utf8)) == view)
        }
    }

    @Test("maps and programs, in every form", arguments: ["maps list", "programs list"], forms)
    func kernelObjects(_ command: String, _ form: String) throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let words = command.split(separator: " ").map(String.init)
        let output = try malla(words + ["-o", form, "--admin", admin.socket])
        #expect(output.status == 0 && output.errors.isEmpty, "\(output.errors)")
        try expectGolden(output.text, "\(words[0])-\(form)")
    }

    @Test("one map, and its entries", arguments: ["show", "dump"], ["table", "json", "yaml"])
    func map(_ verb: String, _ form: String) throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["maps", verb, "policies", "-o", form, "--admin", admin.socket])
        #expect(output.status == 0 && output.errors.isEmpty, "\(output.errors)")
        try expectGolden(output.text, "map-\(verb)-\(form)")
    }

    @Test("versions of both sides, and of this one alone")
    func version() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let both = try malla(["version", "--admin", admin.socket])
        #expect(both.status == 0 && both.text == "malla    0.1.0\nmallad   0.1.0 (ABI 1)\n")
        let alone = try malla(["version", "--admin", "/nowhere"])
        #expect(alone.status == 0 && alone.text == "malla    0.1.0\nmallad   no daemon answers on /nowhere\n")
    }
}

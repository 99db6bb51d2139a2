// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("What the command line says when something is wrong")
struct FailureTests {
    @Test(
        "no daemon: status 3 and what to do", arguments: ["status", "workloads", "services", "connections", "events"])
    func noDaemon(_ command: String) throws {
        let output = try malla([command, "--admin", "/nowhere/admin.sock"])
        #expect(output.status == 3 && output.text.isEmpty)
        try expectGolden(output.errors, "no-daemon")
    }

    @Test("a socket that nobody listens on any more")
    func deadSocket() throws {
        let admin = try FakeAdmin([:])
        let alive = try malla(["status", "--admin", admin.socket])
        #expect(alive.status == 1 && alive.errors == "error: there is nothing at GET /v1/status\n")
        admin.stop()
        #expect(try malla(["status", "--admin", admin.socket]).status == 3)
    }

    @Test("the socket comes from the option, else from the environment")
    func socketOrder() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let environment = ["MALLA_ADMIN": admin.socket]
        #expect(try malla(["status"], environment: environment).status == 0)
        #expect(try malla(["status", "--admin", "/nowhere"], environment: environment).status == 3)
        #expect(try malla(["--admin", admin.socket, "status"]).status == 0)
        #expect(try malla(["--admin", admin.socket, "-o", "name", "services"]).text == "backend.default\n")
    }

    @Test("what the daemon refuses is said with its hint")
    func refusal() throws {
        let refusal = ErrorView(error: "there is no workload 'a'", hint: "list them with `malla workloads`")
        let admin = try FakeAdmin(["GET /v1/explain": .init(status: 404, parts: [try encoded(refusal)])])
        defer { admin.stop() }
        let output = try malla(["explain", "--from", "a", "--to", "b:80", "--admin", admin.socket])
        #expect(output.status == 1 && output.text.isEmpty)
        #expect(output.errors == "error: there is no workload 'a'\nhint: list them with `malla workloads`\n")
    }

    @Test(
        "peers that are no daemon",
        arguments: [
            "", "hello\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[]",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]x\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n[]",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{\"not\":\"a list\"}",
            "HTTP/1.1 999 Hm\r\n\r\n", "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
            "HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: 70000))\r\n\r\n",
        ])
    func garbage(_ answer: String) throws {
        let admin = try FakeAdmin(["GET /v1/workloads": .init(parts: [], raw: answer)])
        defer { admin.stop() }
        let output = try malla(["workloads", "--admin", admin.socket])
        #expect(output.status == 1 && output.text.isEmpty)
        #expect(output.errors.hasPrefix("error: ") && output.errors.contains(admin.socket), "\(output.errors)")
    }

    @Test("odd but sound HTTP is understood")
    func oddHTTP() throws {
        for answer in [
            "HTTP/1.0 200\r\n\r\n[]", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
            "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n1;x=y\r\n[\r\n1\r\n]\r\n0\r\nTrailer: t\r\n\r\n",
        ] {
            let admin = try FakeAdmin(["GET /v1/workloads": .init(parts: [], raw: answer)])
            defer { admin.stop() }
            let output = try malla(["workloads", "--admin", admin.socket])
            #expect(output.status == 0 && output.errors == "no workloads\n", "\(answer): \(output.errors)")
        }
    }

    @Test(
        "wrong usage: status 2, nothing on standard output",
        arguments: [
            ["statsu"], ["status", "--frmt"], ["status", "-o", "xml"], ["workloads", "--no-header"], ["explain"],
            ["explain", "--from", "a", "--to", "b"], ["explain", "--from", "a", "--to", "b:0"], ["run"], ["run", "--"],
            ["run", "--name", "Web_1", "--", "true"], ["run", "--port", "http", "--", "true"],
            ["run", "--port", "70000", "--", "true"], ["run", "--label", "app", "--", "true"],
            ["run", "--address", "localhost", "--", "true"], ["run", "--nmae", "x", "--", "true"],
            ["status", "-o", "name"], ["completion", "tcsh"], ["maps", "dump"], ["maps", "lst"], ["programs", "dump"],
            ["maps", "dump", "malla_policies", "-o", "name"], ["events", "-o", "name"],
        ])
    func usage(_ arguments: [String]) throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["--admin", admin.socket] + arguments)
        #expect(output.status == 2, "\(arguments): \(output.errors)")
        #expect(output.text.isEmpty && output.errors.hasPrefix("error: "), "\(output.text)\(output.errors)")
    }

    @Test("mistyped commands and options name the nearest")
    func suggestions() throws {
        #expect(
            try malla(["statsu"]).errors == "error: there is no command 'malla statsu'\nhint: did you mean status?\n")
        #expect(
            try malla(["frobnicate"]).errors
                == "error: there is no command 'malla frobnicate'\nhint: see `malla --help`\n")
        #expect(
            try malla(["--admin", "/x", "maps", "--pins", "/y", "dmp", "policies"]).errors
                == "error: there is no command 'malla maps dmp'\nhint: did you mean dump?\n")
        #expect(try malla(["run", "--nmae", "x", "--", "true"]).errors.contains("Did you mean '--name'?"))
    }

    @Test("no colours outside a terminal")
    func colours() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        let output = try malla(["status", "--admin", admin.socket], environment: ["TERM": "xterm-256color"])
        #expect(!output.text.contains("\u{1b}"))
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("Events")
struct EventTests {
    private func admin(isChunked: Bool = true) throws -> FakeAdmin {
        // Cut where no line ends, so that the pieces must be put together again.
        let text = try encoded(Views.refused) + "\n" + encoded(Views.closed) + "\n"
        let middle = text.index(text.startIndex, offsetBy: 100)
        return try FakeAdmin([
            "GET /v1/events": .init(parts: [String(text[..<middle]), String(text[middle...])], isChunked: isChunked)
        ])
    }

    @Test("in every form", arguments: ["table", "wide", "json", "yaml"])
    func forms(_ form: String) throws {
        let admin = try admin()
        defer { admin.stop() }
        let output = try malla(["events", "-o", form, "--admin", admin.socket])
        #expect(output.status == 0 && output.errors.isEmpty)
        #expect(!output.text.contains("\u{1b}"), "a process name must not reach the terminal as it is")
        try expectGolden(output.text, "events-\(form)")
    }

    @Test("with a length as well as in chunks")
    func length() throws {
        let admin = try admin(isChunked: false)
        defer { admin.stop() }
        let output = try malla(["events", "-o", "json", "--admin", admin.socket])
        #expect(output.text.split(separator: "\n").count == 2)
    }

    @Test(
        "filters",
        arguments: [
            (["--reason", "policy_not_allowed"], 1), (["--reason", "policy_denied"], 0),
            (["--workload", "frontend"], 1),
            (["--workload", "backend-v1.default"], 1), (["--workload", "front"], 0),
            (["--reason", "passed", "--reason", "policy_not_allowed"], 2),
        ])
    func filters(_ arguments: [String], _ count: Int) throws {
        let admin = try admin()
        defer { admin.stop() }
        let output = try malla(["events", "-o", "json", "--admin", admin.socket] + arguments)
        #expect(output.status == 0 && output.text.split(separator: "\n").count == count)
        #expect(output.errors == (count == 0 ? "no events\n" : ""))
    }

    @Test("following asks for it, and fails when the daemon ends the stream")
    func follow() throws {
        let admin = try admin()
        defer { admin.stop() }
        let output = try malla(["events", "--follow", "--all", "-o", "json", "--admin", admin.socket])
        #expect(output.status == 3 && output.text.split(separator: "\n").count == 2)
        #expect(output.errors == "error: the daemon ended the stream of events\n")
        #expect(admin.requests.map(\.line) == ["GET /v1/events?follow=true&all=true"])
    }

    @Test("a reason that does not exist is a usage error that names the nearest")
    func unknownReason() throws {
        let output = try malla(["events", "--reason", "policy_denid", "--admin", "/nowhere"])
        #expect(output.status == 2)
        #expect(output.errors.hasPrefix("error: there is no reason 'policy_denid'; did you mean policy_denied?\n"))
    }
}

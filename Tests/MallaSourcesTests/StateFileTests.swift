// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaModel
import MallaSources
import Testing

@Suite("State on the disk")
struct StateFileTests {
    @Test("a write replaces the whole file, owner-only, and leaves nothing beside it")
    func write() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/numbers.json"
        try StateFile.write("first, and longer".utf8, to: path)
        try StateFile.write("second".utf8, to: path)
        #expect(try StateFile.read(path) == Array("second".utf8))
        #expect(try StateFile.names(in: scratch.path) == ["numbers.json"])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test("a full disk keeps the old file and says so")
    func full() throws {
        let scratch = try Scratch()
        // The device that is always full, where the new file is about to be written.
        let error = #expect(throws: SourceError.self) {
            try FileManager.default.createSymbolicLink(
                atPath: scratch.path + "/state.json.new", withDestinationPath: "/dev/full")
            try StateFile.write("x".utf8, to: scratch.path + "/state.json")
        }
        #expect(error?.code == ENOSPC)
        #expect(try StateFile.read(scratch.path + "/state.json") == nil)
    }

    @Test("workloads come back; a bad file is put aside and costs only itself")
    func registry() throws {
        let scratch = try Scratch()
        let directory = scratch.path + "/state/workloads"
        var (registry, problems) = try RunRegistry.open(directory: directory)
        #expect(problems.isEmpty)
        let web = Workload(
            name: ObjectName("web", namespace: "prod"), labels: ["app": "web"], serviceAccount: "w", match: .run,
            ports: [.init(name: "http", port: 80)], addresses: [.loopback4, .loopback6], weight: 3)
        let other = Workload(name: ObjectName("other"), match: .run)
        try registry.add(web)
        try registry.add(other)
        for (name, text) in [
            ("bad.default", "{"), ("evil.default", #"{"name":"../x"}"#),
            (
                "stolen.default",
                String(decoding: try #require(try StateFile.read("\(directory)/web.prod.json")), as: UTF8.self)
            ),
        ] {
            try scratch.write(text, to: "state/workloads/\(name).json")
        }
        (registry, problems) = try RunRegistry.open(directory: directory)
        #expect(registry.workloads == [web.name: web, other.name: other])
        #expect(problems.count == 3)
        try registry.remove(web.name)
        try registry.remove(web.name)
        (registry, problems) = try RunRegistry.open(directory: directory)
        #expect(registry.workloads == [other.name: other])
        #expect(problems.isEmpty)
    }
}

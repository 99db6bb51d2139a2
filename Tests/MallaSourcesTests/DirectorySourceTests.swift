// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaSources
import Testing

@Suite("A directory of resources")
struct DirectorySourceTests {
    @Test("files by name; other endings, hidden files and directories are not looked at")
    func reading() throws {
        let scratch = try Scratch()
        for name in ["b.yml", "a.yaml", "c.json", "d.txt", ".e.yaml", "f.yaml~"] { try scratch.write(name, to: name) }
        try FileManager.default.createDirectory(atPath: scratch.path + "/g.yaml", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: scratch.path + "/h.yaml", withDestinationPath: "d.txt")
        try FileManager.default.createSymbolicLink(atPath: scratch.path + "/i.yaml", withDestinationPath: "nowhere")
        let files = try #require(try DirectorySource(path: scratch.path, limit: 100).read())
        #expect(files.map(\.name) == ["a.yaml", "b.yml", "c.json", "h.yaml"].map { "\(scratch.path)/\($0)" })
        #expect(files[0].bytes == Array("a.yaml".utf8))
        #expect(files[3].bytes == Array("d.txt".utf8))
    }

    @Test("a directory that does not exist is not an empty one")
    func missing() throws {
        let scratch = try Scratch()
        #expect(try DirectorySource(path: scratch.path, limit: 1).read() == [])
        #expect(try DirectorySource(path: scratch.path + "/none", limit: 1).read() == nil)
        #expect(DirectorySource(path: scratch.path + "/none", limit: 1).fingerprint() == nil)
    }

    @Test("a large file is read to one byte past the limit")
    func large() throws {
        let scratch = try Scratch()
        try scratch.write(String(repeating: "x", count: 1000), to: "a.yaml")
        #expect(try DirectorySource(path: scratch.path, limit: 10).read()?.first?.bytes.count == 11)
    }

    @Test(
        "every way to change a file is noticed",
        arguments: ["write", "append", "rename over", "remove", "touch", "new file"])
    func changes(how: String) async throws {
        let scratch = try Scratch()
        try scratch.write("old", to: "a.yaml")
        let source = DirectorySource(path: scratch.path, limit: 100)
        let watch = try PathWatch()
        defer { watch.stop() }
        watch.watch(source.watched)
        let before = source.fingerprint()
        switch how {
        case "write": try scratch.write("new!", to: "a.yaml")
        case "append":
            let handle = try #require(FileHandle(forWritingAtPath: scratch.path + "/a.yaml"))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("more".utf8))
            try handle.close()
        case "rename over": try StateFile.write("new".utf8, to: scratch.path + "/a.yaml")
        case "remove": try FileManager.default.removeItem(atPath: scratch.path + "/a.yaml")
        case "touch":
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: scratch.path + "/a.yaml")
        default: try scratch.write("b", to: "b.yaml")
        }
        #expect(await next(watch.changes))
        #expect(source.fingerprint() != before)
    }

    @Test("a directory that appears later is noticed, and so are the files in it")
    func appearing() async throws {
        let scratch = try Scratch()
        let source = DirectorySource(path: scratch.path + "/etc/mesh.d", limit: 100)
        let watch = try PathWatch()
        defer { watch.stop() }
        for step in ["etc", "etc/mesh.d"] {
            watch.watch(source.watched)
            try FileManager.default.createDirectory(
                atPath: "\(scratch.path)/\(step)", withIntermediateDirectories: false)
            #expect(await next(watch.changes), "\(step)")
        }
        watch.watch(source.watched)
        try scratch.write("a", to: "etc/mesh.d/a.yaml")
        #expect(await next(watch.changes))
        #expect(try source.read()?.count == 1)
    }

    @Test("many changes in a row are few wake-ups, and none is missed")
    func coalescing() async throws {
        let scratch = try Scratch()
        let watch = try PathWatch()
        defer { watch.stop() }
        watch.watch([scratch.path])
        for number in 0..<200 { try scratch.write("\(number)", to: "a.yaml") }
        #expect(await next(watch.changes))
        try await watch.settle()
        #expect(try StateFile.read(scratch.path + "/a.yaml") == Array("199".utf8))
    }

    @Test("a watch that is stopped ends its stream")
    func stopping() async throws {
        let watch = try PathWatch()
        watch.stop()
        for await _ in watch.changes { Issue.record("a change out of nowhere") }
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

@Suite("Many files")
struct ManyFilesTests {
    static func refuse(_ files: [(String, [UInt8])]) -> [ResourceProblem] {
        switch ResourceReader().read(files.map { ResourceFile(name: $0, bytes: $1) }) {
        case .success: []
        case .failure(let problems): problems.problems
        }
    }

    @Test("the problems of all files are told, and a good file with a bad one is not taken")
    func allOfThem() {
        let found = Self.refuse([
            ("c.yaml", Array("kind: [".utf8)), ("a.yaml", Array(completeFile.utf8)),
            ("b.yaml", Array("apiVersion: v1\nkind: Servce\n---\nkind: 5\napiVersion: v1\n---\na: *x".utf8)),
        ])
        #expect(found.map(\.file) == ["b.yaml", "b.yaml", "b.yaml", "c.yaml"])
        #expect(found.map(\.line) == [2, 4, 7, 1])
    }

    @Test("one name in two files: both places are told")
    func duplicates() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {b: c}, ports: [{port: 1}]}\n"
        let found = Self.refuse([("b.yaml", Array("# second\n\(text)".utf8)), ("a.yaml", Array(text.utf8))])
        #expect(
            found.map(\.description) == [
                "b.yaml:2:1: error: metadata.name: Service a.default is written at a.yaml:1:1 too. Remove one."
            ])
        #expect(found.first?.kind == "Service")
        #expect(found.first?.name == "a.default")
    }

    @Test("a reference to a resource that is there and wrong is no problem of its own")
    func brokenTarget() {
        let service =
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {b: c}, ports: [{port: 0}]}\n"
        let policy = """
            apiVersion: malla.dev/v1
            kind: TrafficPolicy
            metadata: {name: a}
            spec: {targetRef: {kind: Service, name: a}}
            """
        #expect(Self.refuse([("a", Array(service.utf8)), ("b", Array(policy.utf8))]).map(\.file) == ["a"])
    }

    @Test(
        "bytes that are no UTF-8",
        arguments: [
            ([0xff, 0xfe, 0x61, 0], 1, 1), ([0x61, 0x0a, 0xc3, 0x28], 2, 1),
            ([0x23, 0x20, 0xc3, 0xa4, 0xed, 0xa0, 0x80], 1, 4),
            ([0x61, 0xc0, 0x80], 1, 2), ([0x61, 0xf0, 0x9f], 1, 2),
        ] as [([UInt8], Int, Int)])
    func notUTF8(bytes: [UInt8], line: Int, column: Int) {
        let found = Self.refuse([("a", bytes)])
        #expect(found.map(\.message) == ["the file is not UTF-8 text"])
        #expect(found.first?.line == line)
        #expect(found.first?.column == column)
    }
}

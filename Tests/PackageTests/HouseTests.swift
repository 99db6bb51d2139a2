// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What a reader counts on everywhere in the tree.
@Suite("The house")
struct HouseTests {
    @Test("links in the documentation lead to files that exist")
    func links() throws {
        let documents = ["README.md", "ARCHITECTURE.md"] + (try files(in: "docs").filter { $0.hasSuffix(".md") })
        #expect(documents.count > 3)
        for document in documents {
            let folder = (document as NSString).deletingLastPathComponent
            for link in try Repository.text(document).matches(of: /\]\(([^)#]+)[^)]*\)/).map({ String($0.1) })
            where !link.contains("://") {
                let target = Repository.root.appendingPathComponent(folder).appendingPathComponent(link)
                #expect(FileManager.default.fileExists(atPath: target.path), "\(document) links to \(link)")
            }
        }
    }

    @Test("the tests that the threat model names are there")
    func threats() throws {
        let text = try Repository.text("docs/threat-model.md")
        let names = text.matches(of: /`([A-Z][A-Za-z]*Tests)\.([a-zA-Z]+)`/).map { (String($0.1), String($0.2)) }
        #expect(names.count > 20)
        let tests = try files(in: "Tests").filter { $0.hasSuffix("Tests.swift") }
        for (suite, function) in names {
            let homes = tests.filter { $0.hasSuffix("/\(suite).swift") }
            let isThere = try homes.contains { try Repository.text($0).contains("    func \(function)(") }
            #expect(isThere, "\(suite).\(function)")
        }
    }

    @Test("a source file holds one concept: none is longer than 400 lines")
    func length() throws {
        for folder in ["Sources", "bpf", "Tests", "Tools", "Plugins", "Benchmarks"] {
            for file in try files(in: folder) where [".swift", ".c", ".h", ".py"].contains(where: file.hasSuffix) {
                let lines = try Repository.text(file).split(separator: "\n", omittingEmptySubsequences: false).count
                #expect(lines <= 400, "\(file) has \(lines) lines")
            }
        }
    }

    private func files(in folder: String) throws -> [String] {
        let directory = Repository.root.appendingPathComponent(folder)
        let found = FileManager.default.enumerator(atPath: directory.path)?.compactMap { $0 as? String } ?? []
        return found.map { "\(folder)/\($0)" }
    }
}

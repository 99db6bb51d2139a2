// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What a source file is called, and what it begins with.
@Suite("Names and first lines")
struct NameTests {
    /// Words that say nothing about what is inside.
    private static let empty = [
        "Manager", "Helper", "Utility", "Utils", "Util", "Common", "Constants", "Context", "Data", "Info", "Base",
        "Impl", "Misc",
    ]

    private static func sources(_ folders: [String], _ endings: [String]) -> [String] {
        folders.flatMap { folder in
            let directory = Repository.root.appendingPathComponent(folder)
            let found = FileManager.default.enumerator(atPath: directory.path)?.compactMap { $0 as? String } ?? []
            return found.filter { name in endings.contains { name.hasSuffix($0) } }.map { "\(folder)/\($0)" }
        }
    }

    @Test("a source file is called by the concept that it holds")
    func names() {
        let files = Self.sources(["Sources", "Tests", "Tools", "Plugins", "bpf"], [".swift", ".c", ".h"])
        #expect(files.count > 100)
        for file in files {
            let name = ((file as NSString).lastPathComponent as NSString).deletingPathExtension
            let words = name.split { $0 == "_" || $0 == "+" || $0 == "." }.map(String.init)
            for word in words {
                #expect(!Self.empty.contains { word == $0 || word.hasSuffix($0) }, "\(file) says nothing by its name")
            }
        }
    }

    @Test("no two files of one target have one name")
    func unique() {
        let files = Self.sources(["Sources"], [".swift"])
        for (target, own) in Dictionary(
            grouping: files, by: { $0.split(separator: "/").prefix(2).joined(separator: "/") })
        {
            let names = own.map { ($0 as NSString).lastPathComponent }
            #expect(Set(names).count == names.count, "\(target): \(names.sorted())")
        }
    }

    @Test("every source begins with its licence")
    func licence() throws {
        for file in Self.sources(["Sources", "Tests", "Tools", "Plugins", "bpf"], [".swift", ".c", ".h"]) {
            let first = try Repository.text(file).prefix { $0 != "\n" }
            let licence =
                file.hasPrefix("bpf/")
                ? "SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0" : "SPDX-License-Identifier: Apache-2.0"
            let comment = file.hasSuffix(".swift") ? "// \(licence)" : "/* \(licence) */"
            #expect(first == comment, "\(file) begins with \(first)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What stands in the repository that these tests were built from.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The rows below the heading "Who may import what": names in backquotes, the target first.
    static func importTable() throws -> [String: Set<String>] {
        var table: [String: Set<String>] = [:]
        var inside = false
        for line in try text("ARCHITECTURE.md").split(separator: "\n") {
            if line.hasPrefix("## ") { inside = line.hasSuffix("Who may import what") }
            guard inside, line.hasPrefix("| `") else { continue }
            let names = line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 1 }.map { String($0.element) }
            table[names[0]] = Set(names.dropFirst())
        }
        return table
    }

    /// Targets of Package.swift under `Sources` and `bpf`, with what they depend on. Tests and tools have no row.
    static func targets() throws -> [String: Set<String>] {
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("malla-manifest-\(getpid())")
        defer { try? FileManager.default.removeItem(at: scratch) }
        // A scratch directory of its own: the usual one is locked while `swift test` runs.
        let dump = try output(of: [
            "swift", "package", "--package-path", root.path, "--scratch-path", scratch.path, "dump-package",
        ])
        let manifest = try JSONDecoder().decode(Manifest.self, from: dump)
        let rooms = manifest.targets.filter { target in
            let elsewhere = target.path.map { path in
                ["Tests/", "Tools/", "Benchmarks/"].contains { path.hasPrefix($0) }
            }
            return ["regular", "executable", "system"].contains(target.type) && !(elsewhere ?? false)
        }
        return Dictionary(uniqueKeysWithValues: rooms.map { ($0.name, Set($0.dependencies.compactMap(\.name))) })
    }

    /// Modules that a target's Swift files import, each with the file.
    static func imports(of target: String) throws -> [(file: String, module: String)] {
        let directory = root.appendingPathComponent("Sources/\(target)")
        let files = FileManager.default.enumerator(atPath: directory.path)?.compactMap { $0 as? String } ?? []
        return try files.filter { $0.hasSuffix(".swift") }.flatMap { file in
            try String(contentsOf: directory.appendingPathComponent(file), encoding: .utf8)
                .split(separator: "\n").compactMap { line in
                    imported(String(line)).map { ("Sources/\(target)/\(file)", $0) }
                }
        }
    }

    /// `public import struct A.B` → `A`.
    private static func imported(_ line: String) -> String? {
        var words = line.split(separator: " ").map(String.init)[...]
        let modifiers: Set<String> = ["public", "package", "internal", "private", "@preconcurrency", "@_exported"]
        while let first = words.first, modifiers.contains(first) { words.removeFirst() }
        guard words.first == "import" else { return nil }
        let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        words = words.dropFirst()
        if let kind = words.first, kinds.contains(kind) { words.removeFirst() }
        return words.first?.split(separator: ".").first.map(String.init)
    }

    private static func output(of command: [String]) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return data
    }
}

/// The parts of `swift package dump-package` that matter here.
struct Manifest: Decodable {
    struct Target: Decodable {
        let name: String
        let type: String
        let path: String?
        let dependencies: [Dependency]
    }

    /// `{"byName": [name, condition]}`, `{"product": [name, package, …]}` or `{"target": [name, condition]}`.
    struct Dependency: Decodable {
        let name: String?

        init(from decoder: any Decoder) throws {
            let kinds = try decoder.singleValueContainer().decode([String: [Part]].self)
            name = kinds.values.first?.first?.text
        }
    }

    /// A string, or anything else that is of no interest.
    struct Part: Decodable {
        let text: String?

        init(from decoder: any Decoder) throws {
            text = try? decoder.singleValueContainer().decode(String.self)
        }
    }

    let targets: [Target]
}

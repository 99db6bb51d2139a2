// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Holds Package.swift, the sources' import lines and the table in ARCHITECTURE.md to each other.
@Suite("Who may import what", .timeLimit(.minutes(15)))
struct ImportTableTests {
    let table: [String: Set<String>]

    init() throws {
        table = try Repository.importTable()
    }

    @Test("Package.swift gives each target what the table in ARCHITECTURE.md says, no more and no less")
    func manifest() throws {
        let targets = try Repository.targets()
        #expect(Set(targets.keys) == Set(table.keys), "targets of Package.swift and rows of the table")
        for (target, dependencies) in targets {
            let allowed = table[target] ?? []
            #expect(dependencies == allowed, "\(target)")
        }
    }

    @Test("sources import only that, and what the system brings")
    func imports() throws {
        for (target, allowed) in table {
            for (file, module) in try Repository.imports(of: target) {
                #expect(allowed.union(Self.system).contains(module), "\(file) imports \(module)")
            }
        }
    }

    @Test("the data path is free of Foundation and NIO, and so is everything that it imports")
    func dataPath() throws {
        var reached: Set<String> = [], open: Set<String> = ["malla-proxy"]
        while let target = open.popFirst() {
            reached.insert(target)
            open.formUnion((table[target] ?? []).subtracting(reached))
        }
        #expect(reached.isSuperset(of: ["MallaProxy", "Reactor", "MallaPolicy", "MallaBalance", "MallaLink"]))
        for target in reached {
            for (file, module) in try Repository.imports(of: target) {
                #expect(!module.hasPrefix("Foundation") && !module.hasPrefix("NIO"), "\(file) imports \(module)")
            }
        }
    }

    /// What comes with the toolchain; who may not have Foundation says the test of the data path.
    static let system: Set<String> = [
        "Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Synchronization",
    ]
}

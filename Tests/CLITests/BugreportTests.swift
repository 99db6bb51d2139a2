// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite("malla bugreport", .timeLimit(.minutes(2)))
struct BugreportTests {
    private let secrets = """
        apiVersion: v1
        kind: Service
        metadata: {name: backend}
        spec:
          apiKey: hunter-1
          clientSecret:
            nested: hunter-2
          key: |
            -----BEGIN PRIVATE KEY-----
            hunter-3
            -----END PRIVATE KEY-----
          endpoint: https://admin:hunter-4@example.test/path
          ports: [{port: 80}]
        """

    /// Runs the command in a directory with these resources; the archive's path and what was printed.
    private func report(_ admin: String, _ body: (String, Output) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("malla-cli-\(UUID().uuidString)")
        let config = directory.appendingPathComponent("mesh.d")
        try FileManager.default.createDirectory(at: config, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try secrets.write(to: config.appendingPathComponent("mesh.yaml"), atomically: true, encoding: .utf8)
        let file = directory.appendingPathComponent("report.tar.gz").path
        let arguments = ["bugreport", "--file", file, "--config", config.path, "--admin", admin, "--pins", "/nowhere"]
        try body(file, malla(arguments, seconds: 60))
        #expect(try malla(arguments, seconds: 60).status == 1, "what is there is not written over")
    }

    private func list(_ file: String) throws -> [String] {
        let output = try execute("/bin/tar", ["-tzf", file])
        #expect(output.status == 0 && output.errors.isEmpty, "tar takes it: \(output.errors)")
        return output.text.split(separator: "\n").map { String($0.split(separator: "/", maxSplits: 1).last ?? "") }
    }

    private func content(_ file: String, _ name: String) throws -> String {
        try execute("/bin/tar", ["-xzOf", file, "--wildcards", "*/\(name)"]).text
    }

    @Test("one archive, for its owner only, with all parts and no secret")
    func whole() throws {
        let admin = try FakeAdmin(views: Views.all)
        defer { admin.stop() }
        try report(admin.socket) { file, output in
            #expect(output.status == 0 && output.text.contains("files to \(file)\n"), "\(output)")
            let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let names = try list(file)
            for part in [
                "README.txt", "doctor.txt", "doctor.json", "status.json", "workloads.json", "services.json",
                "policies.json", "versions.txt", "resources/mesh.yaml", "machine/mounts.txt",
            ] {
                #expect(names.contains(part), "\(part) among \(names)")
            }
            let readme = try content(file, "README.txt")
            for name in names where name != "README.txt" { #expect(readme.contains("  \(name) "), "\(name)") }
            #expect(try content(file, "status.json").contains("generation"))
            let resources = try content(file, "resources/mesh.yaml")
            #expect(resources.contains("name: backend") && resources.contains("ports: [{port: 80}]"), "\(resources)")
            let everything = try execute("/bin/tar", ["-xzOf", file]).text
            #expect(!everything.contains("hunter-"), "\(resources)")
            #expect(readme.contains("4 values were removed"), "\(readme)")
        }
    }

    @Test("without a daemon and without pins there is still a report, and it says what is missing")
    func alone() throws {
        try report("/nowhere") { file, output in
            #expect(output.status == 0 && output.errors.contains("left out: daemon:"), "\(output)")
            let readme = try content(file, "README.txt")
            #expect(readme.contains("Could not be had:") && readme.contains("pins:"), "\(readme)")
            #expect(try content(file, "doctor.txt").contains("× "), "the doctor says that nobody answers")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite("malla validate")
struct ValidateTests {
    private func withDirectory(_ files: [String: String], _ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("malla-cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        for (name, text) in files {
            try text.write(to: directory.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        try body(directory.path)
    }

    private static let good = """
        apiVersion: v1
        kind: Service
        metadata: {name: backend}
        spec:
          selector: {app: backend}
          ports: [{name: http, port: 80, targetPort: 7000, appProtocol: http}]
        ---
        apiVersion: malla.dev/v1
        kind: MeshConfig
        metadata: {name: mesh}
        spec: {defaultPolicy: Deny}

        """

    @Test("a good directory, with and without a trailing slash, and a file of it; no daemon needed")
    func good() throws {
        try withDirectory(["a.yaml": Self.good, "notes.txt": "not: [a resource"]) { directory in
            for path in [directory, directory + "/", directory + "/a.yaml"] {
                let output = try malla(["validate", path])
                #expect(output.status == 0 && output.errors.isEmpty, "\(output.text)\(output.errors)")
                #expect(
                    output.text
                        == "valid: 1 service, 0 workloads, 0 authorization policies, 0 traffic policies in 1 file\n")
            }
        }
    }

    @Test("problems come with file, line and column, on standard output, with status 1")
    func bad() throws {
        let bad = Self.good.replacingOccurrences(of: "port: 80,", with: "port: 80000, color: blue,")
        try withDirectory(["good.yaml": "", "bad.yaml": bad]) { directory in
            let output = try malla(["validate", directory])
            #expect(output.status == 1 && output.errors.isEmpty)
            #expect(output.text.contains("\(directory)/bad.yaml:6:30: error: spec.ports[0].port: "), "\(output.text)")
            #expect(output.text.contains("\(directory)/bad.yaml:6:37: error: spec.ports[0].color: "), "\(output.text)")

            let json = try malla(["validate", directory, "-o", "json"])
            #expect(json.status == 1)
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(json.text.utf8)) as? [String: Any])
            let problems = try #require(document["problems"] as? [[String: Any]])
            #expect(document["valid"] as? Bool == false && problems.count == 2)
            #expect(problems[0]["line"] as? Int == 6 && problems[0]["name"] as? String == "backend.default")
        }
    }

    @Test("an empty directory is an empty mesh; a missing one is a failure")
    func nothing() throws {
        try withDirectory([:]) { directory in
            let output = try malla(["validate", directory])
            #expect(output.status == 0 && output.text.contains("an empty mesh"))
            let missing = try malla(["validate", directory + "/none"])
            #expect(missing.status == 1 && missing.errors.contains("No such file or directory"))
        }
    }
}

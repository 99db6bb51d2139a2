// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite("Help and completion")
struct HelpTests {
    static let commands = [
        "run", "doctor", "status", "bugreport", "version", "workloads", "services", "endpoints", "policies",
        "connections", "tunnels",
        "certificates", "ca", "bypasses", "events", "explain", "maps", "programs", "cleanup", "validate", "completion",
    ]

    @Test("the root names every command")
    func root() throws {
        let output = try malla(["--help"])
        #expect(output.status == 0 && output.errors.isEmpty)
        for command in Self.commands { #expect(output.text.contains("\n  \(command)"), "\(command)") }
        try expectGolden(output.text, "help")
        #expect(try malla([]).text == output.text)
    }

    @Test(
        "every command has examples", arguments: commands + ["maps list", "maps show", "maps dump", "programs list"])
    func examples(_ command: String) throws {
        let output = try malla(command.split(separator: " ").map(String.init) + ["--help"])
        #expect(output.status == 0 && output.text.contains("EXAMPLES:\n  "), "\(output.text)")
        #expect(output.text.contains("  malla \(command)") || output.text.contains("  sudo malla \(command)"))
        for line in output.text.split(separator: "\n") where !line.hasPrefix("USAGE:") {
            #expect(line.count <= 80, "\(line)")
        }
    }

    @Test("completion scripts that their shells accept", arguments: ["bash", "zsh", "fish"])
    func completion(_ shell: String) throws {
        let output = try malla(["completion", shell])
        #expect(output.status == 0 && output.errors.isEmpty && output.text.contains("workloads"))
        if shell == "bash" {
            let checked = try execute("/bin/bash", ["-n"], input: output.text)
            #expect(checked.status == 0, "\(checked.errors)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla completion`
struct Completion: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the completion script of a shell.",
        discussion: """
            EXAMPLES:
              malla completion bash | sudo tee /etc/bash_completion.d/malla
              malla completion zsh > ~/.zfunc/_malla
              malla completion fish > ~/.config/fish/completions/malla.fish
            """)

    /// A shell that there is a script for.
    enum Shell: String, ExpressibleByArgument, CaseIterable {
        /// GNU Bash.
        case bash
        /// Z shell.
        case zsh
        /// fish.
        case fish
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let script = Malla.completionScript(for: CompletionShell(rawValue: shell.rawValue) ?? .bash)
        try Console.write(script.hasSuffix("\n") ? script : script + "\n")
    }

    /// What a name on the command line may name.
    enum Noun {
        /// Workloads of the node.
        case workloads
        /// Services of the mesh.
        case services
        /// Authorization policies.
        case policies
    }

    /// Names for the shell to offer; none when the daemon does not answer at once.
    static func names(of noun: Noun) -> [String] {
        let client = AdminClient(socket: AdminOptions.withoutOption, patience: .milliseconds(200))
        let names: [String]? =
            switch noun {
            case .workloads: try? client.get(AdminPath.workloads, as: [WorkloadView].self).map(\.objectName)
            case .services: try? client.get(AdminPath.services, as: [ServiceView].self).map(\.objectName)
            case .policies: try? client.get(AdminPath.policies, as: [PolicyView].self).map(\.objectName)
            }
        return (names ?? []).sorted()
    }
}

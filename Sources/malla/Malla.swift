// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The root of the command line. Its two option groups are those of the commands, so that they may stand on either
/// side of the command's name.
struct Malla: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "malla",
        abstract: "Run workloads in the mesh, and see what it does with their connections.",
        usage: "malla [--admin <socket>] <command> [<options>]",
        discussion: """
            EXAMPLES:
              malla doctor                               what is wrong and what mends it
              malla run --name web -p 8080 -- ./web      start a command as a workload
              malla services -o wide                     virtual addresses, endpoints
              malla explain --from web --to backend:80   allowed? by which rule?
              malla events --follow                      refusals as they happen

            EXIT STATUS:
              0 done, 1 failed or denied, 2 wrong usage, 3 no daemon answers
            """,
        groupedSubcommands: [
            CommandGroup(name: "Workload", subcommands: [Run.self]),
            CommandGroup(name: "Health", subcommands: [Doctor.self, Status.self, Bugreport.self, Version.self]),
            CommandGroup(
                name: "Mesh",
                subcommands: [Nodes.self, Workloads.self, Services.self, Endpoints.self, Policies.self]),
            CommandGroup(name: "Identity", subcommands: [Certificates.self, CertificateAuthority.self]),
            CommandGroup(
                name: "Traffic",
                subcommands: [
                    Connections.self, Tunnels.self, Bypasses.self, Events.self, Explain.self,
                ]),
            CommandGroup(name: "Kernel", subcommands: [Maps.self, Programs.self, Cleanup.self]),
            CommandGroup(name: "File", subcommands: [Validate.self, Completion.self]),
        ])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions
}

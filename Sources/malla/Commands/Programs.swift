// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `malla programs`
struct Programs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at the node's programs in the kernel, even while the daemon is down.",
        discussion: """
            EXAMPLES:
              malla programs list
              malla programs list --pins /sys/fs/bpf/malla -o wide
            """,
        subcommands: [ProgramsList.self], defaultSubcommand: ProgramsList.self, aliases: ["program", "prog"])
}

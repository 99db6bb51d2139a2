// SPDX-License-Identifier: Apache-2.0

/// docs/reference/cli.md: every command with what it takes, from the definition that parses the command line.
struct CommandPage {
    private let root: CommandTree.Command

    /// The page of this command and those below it.
    init(_ root: CommandTree.Command) { self.root = root }

    /// The page.
    var text: String {
        var page = """
            # The command line

            <!-- Made by scripts/reference from the definitions in Sources/malla/Commands. Edit those. -->

            \(root.abstract ?? "")

            \(Self.prose(root.discussion))## Options of all commands that talk to the daemon

            \(Self.list(root.arguments ?? []))

            """
        let common = Set((root.arguments ?? []).flatMap { $0.names ?? [] }.map(\.name))
        for command in root.subcommands ?? [] { page += Self.section(command, common) }
        return page
    }

    private static func section(_ command: CommandTree.Command, _ common: Set<String>) -> String {
        guard command.commandName != "help" else { return "" }
        let below = (command.subcommands ?? []).filter { $0.commandName != "help" }
        let words = (command.superCommands ?? []) + [command.commandName]
        var text = "\n\(String(repeating: "#", count: words.count)) \(words.joined(separator: " "))\n\n"
        if let abstract = command.abstract { text += abstract + "\n\n" }
        if let aliases = command.aliases, !aliases.isEmpty {
            text += "Also: " + aliases.map { "`\($0)`" }.joined(separator: ", ") + ".\n\n"
        }
        text += prose(command.discussion)
        let own = (command.arguments ?? []).filter { argument in
            argument.shouldDisplay && !(argument.names ?? []).contains { common.contains($0.name) || $0.name == "help" }
        }
        if !own.isEmpty { text += list(own) + "\n" }
        return below.reduce(text) { $0 + section($1, common) }
    }

    /// Paragraphs as they are, indented lines as code, `EXAMPLES:` as a word of its own.
    private static func prose(_ discussion: String?) -> String {
        guard let discussion else { return "" }
        var text = ""
        var isCode = false
        for line in discussion.split(separator: "\n", omittingEmptySubsequences: false) {
            let indented = line.hasPrefix("  ")
            if indented != isCode {
                text += "```\n"
                isCode = indented
            }
            if indented {
                text += line.dropFirst(2) + "\n"
            } else if line.hasSuffix(":"), line == line.uppercased() {
                text += "\(line.prefix(1))\(line.dropFirst().lowercased())\n\n"
            } else {
                text += line + "\n"
            }
        }
        return text + (isCode ? "```\n\n" : "\n")
    }

    private static func list(_ arguments: [CommandTree.Argument]) -> String {
        var rows = "| | |\n|---|---|\n"
        for argument in arguments where argument.shouldDisplay {
            let value = argument.kind == "flag" ? "" : " <\(argument.valueName ?? "value")>"
            let names = (argument.names ?? []).map { ($0.kind == "long" ? "--" : "-") + $0.name }
            let title =
                argument.kind == "positional"
                ? "<\(argument.valueName ?? "value")>" : names.joined(separator: ", ") + value
            var remarks: [String] = []
            if let values = argument.allValues {
                remarks.append("One of " + values.map { "`\($0)`" }.joined(separator: ", "))
            }
            if let standard = argument.defaultValue { remarks.append("Default: `\(standard)`") }
            if argument.isRepeating, argument.kind == "positional" { remarks.append("May be repeated") }
            if !argument.isOptional { remarks.append("Required") }
            let text = ([argument.abstract ?? ""] + remarks.map { $0 + "." }).joined(separator: " ")
            rows += "| `\(title)` | \(text.split(separator: "|").joined(separator: "\\|")) |\n"
        }
        return rows
    }
}

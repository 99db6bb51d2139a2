// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// "Did you mean": the known name that a mistyped one was probably meant to be.
enum Suggestion {
    /// The nearest of the names, if it is near: one edit in a short name, up to a third of a long one.
    static func nearest(to text: String, among names: some Sequence<String>) -> String? {
        let best = names.map { (distance: distance(text, $0), name: $0) }.min { $0.distance < $1.distance }
        guard let best, best.distance <= max(1, best.name.count / 3) else { return nil }
        return best.name
    }

    /// A hint that names the nearest, else what to look at instead.
    static func hint(for text: String, among names: some Sequence<String>, otherwise: String) -> String {
        nearest(to: text, among: names).map { "did you mean \($0)?" } ?? otherwise
    }

    /// Throws a usage failure where a word that must be a command is none: the argument parser would only say that it
    /// did not expect it.
    static func refuseUnknownCommand(in arguments: [String]) throws {
        var rest = arguments[...]
        var path = "malla"
        var commands = Malla.configuration.subcommands
        commands += Malla.configuration.groupedSubcommands.flatMap(\.subcommands)
        while !commands.isEmpty, let word = nextWord(of: &rest), word != "help" {
            guard let command = commands.first(where: { names(of: $0).contains(word) }) else {
                throw Failure(
                    "there is no command '\(path) \(Table.printable(word))'",
                    hint: hint(for: word, among: commands.flatMap(names), otherwise: "see `\(path) --help`"),
                    status: .usage)
            }
            path += " \(word)"
            commands = command.configuration.subcommands
        }
    }

    private static func names(of command: any ParsableCommand.Type) -> [String] {
        [command.configuration.commandName ?? "\(command)".lowercased()] + command.configuration.aliases
    }

    /// The next argument that is neither an option that may stand before a command nor such an option's value.
    private static func nextWord(of arguments: inout ArraySlice<String>) -> String? {
        while let argument = arguments.popFirst(), argument != "--" {
            if ["--admin", "-o", "--output", "--pins"].contains(argument) {
                _ = arguments.popFirst()
            } else if !argument.hasPrefix("-") {
                return argument
            }
        }
        return nil
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
    private static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.prefix(64)), b = Array(b.prefix(64))
        var before: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
                row.append(best)
            }
            before = last
            last = row
        }
        return last[b.count]
    }
}

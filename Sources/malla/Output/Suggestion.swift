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

    /// Throws a usage failure where the first word is no command: the argument parser would only say that it did
    /// not expect it.
    static func refuseUnknownCommand(in arguments: [String]) throws {
        var commands = Malla.configuration.subcommands.flatMap(names) + ["help"]
        commands += Malla.configuration.groupedSubcommands.flatMap { $0.subcommands.flatMap(names) }
        guard let word = firstWord(of: arguments), !commands.contains(word) else { return }
        throw Failure(
            "there is no command '\(Table.printable(word))'",
            hint: hint(for: word, among: commands, otherwise: "see `malla --help`"), status: .usage)
    }

    private static func names(of command: any ParsableCommand.Type) -> [String] {
        [command.configuration.commandName ?? command._commandName] + command.configuration.aliases
    }

    /// The first argument that is neither an option of the root nor such an option's value.
    private static func firstWord(of arguments: [String]) -> String? {
        var takesValue = false
        for argument in arguments {
            if takesValue {
                takesValue = false
            } else if ["--admin", "-o", "--output"].contains(argument) {
                takesValue = true
            } else if !argument.hasPrefix("-") {
                return argument
            } else if argument.hasPrefix("---") || argument == "--" {
                return nil
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

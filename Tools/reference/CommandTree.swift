// SPDX-License-Identifier: Apache-2.0

/// What `--experimental-dump-help` prints, as far as the page needs it.
struct CommandTree: Decodable {
    /// A command and those below it.
    struct Command: Decodable {
        /// The last word of what is typed.
        var commandName: String
        /// Other words for it.
        var aliases: [String]?
        /// One sentence.
        var abstract: String?
        /// More, with examples.
        var discussion: String?
        /// The names of those above it.
        var superCommands: [String]?
        /// What it takes.
        var arguments: [Argument]?
        /// Those below it.
        var subcommands: [Command]?
    }

    /// An option, a flag or a positional argument.
    struct Argument: Decodable {
        /// `-o` or `--output`.
        struct Name: Decodable {
            /// `short`, `long` or `longWithSingleDash`.
            var kind: String
            /// Without dashes.
            var name: String
        }

        /// `positional`, `option` or `flag`.
        var kind: String
        /// Whether help shows it.
        var shouldDisplay: Bool
        /// Whether it may be left out.
        var isOptional: Bool
        /// Whether it may come several times.
        var isRepeating: Bool
        /// Its names; none for a positional.
        var names: [Name]?
        /// What its value is called.
        var valueName: String?
        /// What it is without being given.
        var defaultValue: String?
        /// What it can be.
        var allValues: [String]?
        /// One sentence.
        var abstract: String?
    }

    /// The root.
    var command: Command
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How a command prints what it found.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    /// Columns for people.
    case table
    /// More columns.
    case wide
    /// What the admin API answers.
    case json
    /// The same as YAML.
    case yaml
    /// One name a line.
    case name
}

/// `-o` and `--no-headers`.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp("The form of the output.", valueName: "form"))
    var output = OutputFormat.table

    @Flag(name: .customLong("no-headers"), help: "Leave the line of column titles out.")
    var withoutHeaders = false

    /// Prints a list: as a table, as names, or as the document that the API answered.
    func print<Item: Listed & Encodable>(_ items: [Item], noun: String) throws {
        switch output {
        case .table, .wide:
            guard !items.isEmpty else {
                Console.complain("no \(noun)")
                return
            }
            let table = Table(columns: Item.columns, rows: items.flatMap(\.rows))
            try Console.write(table.text(wide: output == .wide, headers: !withoutHeaders, style: .standardOutput))
        case .name:
            try Console.write(items.map { Table.printable($0.objectName) + "\n" }.joined())
        case .json, .yaml:
            try document(items)
        }
    }

    /// Prints one thing: as the text that `table` makes, or as the document that the API answered.
    func print<Item: Encodable>(_ item: Item, table: (Style) -> String) throws {
        switch output {
        case .table, .wide: try Console.write(table(.standardOutput))
        case .json, .yaml: try document(item)
        case .name: throw unsuitable
        }
    }

    /// Prints one thing as a document, JSON or YAML.
    func document<Item: Encodable>(_ item: Item) throws {
        switch output {
        case .json: try Console.write(Document.json(item))
        case .yaml: try Console.write(Document.yaml(item))
        case .table, .wide, .name: throw unsuitable
        }
    }

    private var unsuitable: Failure {
        Failure(
            "this command has no output form '\(output.rawValue)'", hint: "use -o table, json or yaml", status: .usage)
    }
}

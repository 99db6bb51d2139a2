// SPDX-License-Identifier: Apache-2.0
import MallaAPI

/// Prints events one by one as they come, so that columns keep a least width instead of fitting what is not yet known.
struct EventLines {
    /// How many were printed.
    private(set) var count = 0
    private let output: OutputOptions
    private let style = Style.standardOutput
    private var started = false

    private static let columns: [(title: String, width: Int)] = [
        ("TIME", 27), ("KIND", 7), ("REASON", 18), ("SOURCE", 20), ("DESTINATION", 40), ("PATH", 6), ("RULE", 28),
        ("PROCESS", 20),
    ]
    private static let wideColumns: [(title: String, width: Int)] = [
        ("SENT", 8), ("RECEIVED", 8), ("DURATION", 8), ("WENT TO", 24), ("COOKIE", 0),
    ]

    /// Prints as these options say.
    init(output: OutputOptions) { self.output = output }

    /// Prints the column titles, at once and once.
    mutating func start() throws {
        guard !started else { return }
        started = true
        if isTable, !output.withoutHeaders { try line(columns.map { Cell($0.title, .bold) }) }
    }

    /// Prints one event.
    mutating func print(_ event: EventView) throws {
        try start()
        count += 1
        switch output.output {
        case .json: try Console.write(Document.jsonLine(event))
        case .yaml: try Console.write("---\n" + Document.yaml(event))
        case .table, .wide, .name: try line(cells(event))
        }
    }

    private var isTable: Bool { output.output == .table || output.output == .wide }

    private var columns: [(title: String, width: Int)] {
        output.output == .wide ? Self.columns + Self.wideColumns : Self.columns
    }

    private func cells(_ event: EventView) -> [Cell] {
        let kind: Tint? = event.kind == "refused" || event.kind == "failed" ? .red : nil
        let name = event.service.isEmpty ? event.target : event.service
        let destination = name.isEmpty ? event.original : "\(name) (\(event.original))"
        let process = event.command.isEmpty ? "" : "\(event.command)[\(event.pid)]"
        var cells = [
            Cell(event.time, .dim), Cell(event.kind, kind), Cell(event.reason), Cell(event.source, .cyan),
            Cell(destination), Cell(event.path), Cell(event.rule ?? ""), Cell(process),
        ]
        if output.output == .wide {
            cells += [
                Cell(event.sent.map(Quantity.bytes) ?? ""), Cell(event.received.map(Quantity.bytes) ?? ""),
                Cell(event.durationSeconds.map(Quantity.duration) ?? ""), Cell(event.destination), "\(event.cookie)",
            ]
        }
        return cells
    }

    private func line(_ cells: [Cell]) throws {
        var text = ""
        for (index, cell) in cells.enumerated() {
            let shown = cell.text.isEmpty ? "-" : Table.printable(cell.text)
            text += style.paint(shown, cell.tint)
            guard index < cells.count - 1 else { break }
            text += String(repeating: " ", count: max(0, columns[index].width - TextWidth.of(shown)) + 2)
        }
        try Console.write(text + "\n")
    }
}

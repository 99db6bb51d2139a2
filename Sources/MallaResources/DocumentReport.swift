// SPDX-License-Identifier: Apache-2.0

/// A document while it is read: whom its problems are about, and how much of the file was read.
final class DocumentReport {
    /// What is wrong with a value, and what to do about it.
    struct Flaw: Hashable {
        var message: String
        var hint = ""
    }

    let file: String
    /// Empty until they are known.
    var kind = ""
    var name = ""
    /// Whether this document has problems.
    private(set) var failed = false
    /// Where fields stand that are looked at again when all documents are known.
    private(set) var places: [String: Position] = [:]
    private let collector: ProblemCollector
    private let budget: EntryBudget

    init(file: String, collector: ProblemCollector, budget: EntryBudget) {
        self.file = file
        self.collector = collector
        self.budget = budget
    }

    func add(_ flaw: Flaw, field: String, at position: Position) {
        failed = true
        collector.add(problem(flaw, field: field, at: position))
    }

    /// Says something about a document that is taken nevertheless.
    func warn(_ flaw: Flaw, field: String, at position: Position) {
        collector.warn(problem(flaw, field: field, at: position))
    }

    private func problem(_ flaw: Flaw, field: String, at position: Position) -> ResourceProblem {
        ResourceProblem(
            file: file, line: position.line, column: position.column, kind: kind, name: name, field: field,
            message: flaw.message, hint: flaw.hint)
    }

    func remember(_ field: String, at position: Position) { places[field] = position }

    /// Counts `count` entries; `false` when the file has given more than it may.
    func spend(_ count: Int, field: String, at position: Position) -> Bool {
        switch budget.spend(count) {
        case .within: return true
        case .used:
            failed = true
            return false
        case .exceeded:
            add(
                Flaw(
                    message: "the file has more than \(budget.limit) entries, counting what aliases repeat",
                    hint: "Split it, or write fewer aliases"),
                field: field, at: position)
            return false
        }
    }
}

/// How many entries of one file may still be read.
final class EntryBudget {
    enum Answer {
        case within
        /// The limit has just been passed: worth a problem.
        case exceeded
        /// It was passed before.
        case used
    }

    let limit: Int
    private var spent = 0

    init(limit: Int) { self.limit = limit }

    func spend(_ count: Int) -> Answer {
        guard spent <= limit else { return .used }
        spent += min(count, limit + 1)
        return spent <= limit ? .within : .exceeded
    }
}

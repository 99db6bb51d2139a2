// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong with a resource: where, what, and what to do about it.
public struct ResourceProblem: Error, Hashable, Sendable {
    /// The file's name as it was given; empty for a resource that came from no file.
    public var file: String
    /// From 1; 0: the file as a whole.
    public var line: Int
    /// From 1, in Unicode scalars; 0: the line as a whole.
    public var column: Int
    /// The resource's kind; empty while it is not known.
    public var kind: String
    /// The resource's name, `name.namespace`; empty while it is not known.
    public var name: String
    /// The path of the field, for example `spec.ports[0].targetPort`; empty when it is about the whole document.
    public var field: String
    /// What is wrong.
    public var message: String
    /// What to do about it; empty when the message says it.
    public var hint: String
    /// Whether the resource is taken nevertheless, and only means something else than its writer may think.
    public var isWarning = false

    /// A problem.
    public init(
        file: String = "", line: Int = 0, column: Int = 0, kind: String = "", name: String = "", field: String = "",
        message: String, hint: String = ""
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.kind = kind
        self.name = name
        self.field = field
        self.message = message
        self.hint = hint
    }
}

extension ResourceProblem: Comparable, CustomStringConvertible {
    /// By file, then by position.
    public static func < (a: ResourceProblem, b: ResourceProblem) -> Bool {
        if a.file != b.file { return a.file < b.file }
        if (a.line, a.column) != (b.line, b.column) { return (a.line, a.column) < (b.line, b.column) }
        return (a.field, a.message) < (b.field, b.message)
    }

    /// `file:line:column: error: field: what is wrong. What to do.`, leaving out what is empty.
    public var description: String {
        var text = ""
        if !file.isEmpty {
            text += file + ":"
            if line > 0 { text += "\(line):" }
            if column > 0 { text += "\(column):" }
            text += " "
        }
        text += isWarning ? "warning: " : "error: "
        if !field.isEmpty { text += field + ": " }
        text += message
        if !hint.isEmpty { text += ". " + hint }
        return text.last == "." || text.last == "?" ? text : text + "."
    }
}

/// Why a set of files is not taken. None of it takes effect.
public struct ResourceProblems: Error, Hashable, Sendable, CustomStringConvertible {
    /// The first ones, sorted by file and position; at least one.
    public var problems: [ResourceProblem]
    /// How many more there are.
    public var omitted: Int

    /// These problems, and how many more there are.
    public init(problems: [ResourceProblem], omitted: Int = 0) {
        self.problems = problems
        self.omitted = omitted
    }

    /// One problem a line.
    public var description: String {
        let lines = problems.map(\.description)
        return (omitted > 0 ? lines + ["and \(omitted) more."] : lines).joined(separator: "\n")
    }
}

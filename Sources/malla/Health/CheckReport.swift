// SPDX-License-Identifier: Apache-2.0

/// One thing that was looked at.
struct Finding: Encodable {
    /// How it stands.
    enum Result: String, Encodable {
        /// As it should be.
        case ok
        /// Works, and deserves a look.
        case warning
        /// Does not work.
        case failed
    }

    /// Stable, for programs.
    var id: String
    /// How it stands.
    var result: Result
    /// What was found.
    var message: String
    /// The command that mends it, or what to do where there is none; `nil` when nothing needs mending.
    var remedy: String?

    /// As it should be.
    static func ok(_ id: String, _ message: String) -> Finding { Finding(id: id, result: .ok, message: message) }

    /// Works, and deserves a look.
    static func warning(_ id: String, _ message: String, _ remedy: String) -> Finding {
        Finding(id: id, result: .warning, message: message, remedy: remedy)
    }

    /// Does not work.
    static func failed(_ id: String, _ message: String, _ remedy: String) -> Finding {
        Finding(id: id, result: .failed, message: message, remedy: remedy)
    }
}

/// Everything that `malla doctor` looked at.
struct CheckReport: Encodable {
    /// Findings about one part of the system.
    struct Group: Encodable {
        /// For people.
        var title: String
        /// In the order of their dependence: what stands first may be the cause of what follows.
        var findings: [Finding]
    }

    /// Whether nothing failed.
    var ok: Bool { count(.failed) == 0 }
    /// From the machine up to the mesh.
    var groups: [Group]

    private enum CodingKeys: CodingKey { case ok, groups }

    /// `ok` stands beside the groups.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(ok, forKey: .ok)
        try container.encode(groups, forKey: .groups)
    }

    /// How many findings have this result.
    func count(_ result: Finding.Result) -> Int {
        groups.reduce(0) { $0 + $1.findings.count { $0.result == result } }
    }

    /// A line for each finding, the remedy below it.
    func text(_ style: Style) -> String {
        var text = ""
        for group in groups {
            text += style.paint(group.title, .bold) + "\n"
            for finding in group.findings {
                let message = finding.message.split(separator: "\n").map { Table.printable(String($0)) }
                text += "\(Self.sign(finding.result, style)) \(message.joined(separator: "\n    "))\n"
                if let remedy = finding.remedy { text += "    \(style.paint("→", .cyan)) \(Table.printable(remedy))\n" }
            }
            text += "\n"
        }
        return text + summary(style) + "\n"
    }

    private func summary(_ style: Style) -> String {
        let failed = count(.failed), warnings = count(.warning)
        if failed == 0, warnings == 0 { return style.paint("all is well", .green) }
        let problems = failed == 1 ? "1 problem" : "\(failed) problems"
        let looks = warnings == 1 ? "1 warning" : "\(warnings) warnings"
        return style.paint(failed == 0 ? looks : "\(problems), \(looks)", failed == 0 ? .yellow : .red)
    }

    private static func sign(_ result: Finding.Result, _ style: Style) -> String {
        switch result {
        case .ok: style.paint("√", .green)
        case .warning: style.paint("‼", .yellow)
        case .failed: style.paint("×", .red)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Logging

/// Log lines on standard error: for people, or one JSON object each.
///
/// A line is one write, so lines of several threads do not mix.
struct LogLines: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let format: LogFormat
    /// systemd's journal takes the level from a prefix and has a clock of its own.
    private let isJournal: Bool

    /// A logger for the whole program.
    static func logger(format: LogFormat, level: Logger.Level) -> Logger {
        let isJournal = format == .text && getenv("JOURNAL_STREAM") != nil
        return Logger(label: "mallad") { _ in LogLines(logLevel: level, format: format, isJournal: isJournal) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.map { ($0.key, "\($0.value)") }.sorted {
            $0.0 < $1.0
        }
        let line =
            switch format {
            case .text: text(event.level, "\(event.message)", fields)
            case .json: json(event.level, "\(event.message)", fields)
            }
        let bytes = Array(line.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    private func text(_ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> String {
        let start = isJournal ? "<\(level.priority)>" : "\(WallClock.now()) \(level.rawValue) "
        let words = fields.map { name, value in
            let plain = !value.isEmpty && value.allSatisfy { !$0.isWhitespace && $0 != "\"" && $0 != "=" }
            return " \(name)=\(plain ? value : Self.quoted(value))"
        }
        return start + message + words.joined() + "\n"
    }

    private func json(_ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> String {
        let all = [("time", WallClock.now()), ("level", level.rawValue), ("message", message)] + fields
        return "{" + all.map { "\(Self.quoted($0.0)):\(Self.quoted($0.1))" }.joined(separator: ",") + "}\n"
    }

    /// A JSON string: control characters cannot forge lines or move a terminal's cursor.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension Logger.Level {
    /// As syslog numbers them.
    fileprivate var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

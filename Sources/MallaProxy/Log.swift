// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaModel
import Synchronization

/// Lines on standard error, in the daemon's format. At most a few a second: a log is for what is unusual, and what is
/// held back is counted and said with the next line. A reader that does not read never stops a worker.
public final class Log: Sendable {
    /// How lines look.
    public enum Format: String, Sendable {
        /// `time level message key=value …`
        case text
        /// One JSON object.
        case json
    }

    /// How grave it is.
    public enum Level: String, Sendable {
        /// What an operator may want to know.
        case info
        /// Something was refused or went wrong.
        case warning
        /// The proxy cannot do its work.
        case error
    }

    private struct Allowance {
        var tokens = Log.burst
        var refilled = time_t(0)
        var held: UInt64 = 0
    }

    private static let burst = 50
    private static let perSecond = 10

    private let format: Format
    private let node: String
    private let allowance = Mutex(Allowance())

    /// A log of this form; `node` stands in each line.
    public init(format: Format, node: String) {
        self.format = format
        self.node = node
    }

    /// Writes a line, or counts it among those held back.
    public func write(_ level: Level, _ message: String, _ fields: [(String, String)] = []) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let seconds = now.tv_sec
        let held: UInt64? = allowance.withLock { state in
            let passed = max(0, seconds - state.refilled)
            state.tokens = min(Self.burst, state.tokens + Int(clamping: min(passed, 60)) * Self.perSecond)
            state.refilled = seconds
            guard state.tokens > 0 || level == .error else {
                state.held &+= 1
                return nil
            }
            state.tokens -= 1
            defer { state.held = 0 }
            return state.held
        }
        guard let held else { return }
        var all = fields
        all.append(("program", "malla-proxy"))
        all.append(("node", node))
        if held > 0 { all.append(("lines_held_back", "\(held)")) }
        emit(line(Self.timestamp(now), level, message, all))
    }

    /// A refused or cut connection.
    func ended(_ finished: Finished, names: View.Names?) {
        var fields = [("reason", finished.reason.name)]
        if finished.source != 0 {
            fields.append(("source", names?.identity(finished.source) ?? "#\(finished.source)"))
        }
        if finished.captured == nil, finished.target != 0 {
            fields.append(("target", names?.identity(finished.target) ?? "#\(finished.target)"))
        }
        if let captured = finished.captured {
            fields.append(("service", names?.service(captured.service) ?? "#\(captured.service)"))
            fields.append(("port", "\(captured.port)"))
        }
        if let rule = names?.rule(finished.rule) { fields.append(("rule", rule)) }
        write(.warning, finished.wasConnected ? "connection cut" : "connection refused", fields)
    }

    private func line(_ time: String, _ level: Level, _ message: String, _ fields: [(String, String)]) -> String {
        switch format {
        case .text:
            return fields.reduce("\(time) \(level.rawValue) \(message)") { line, field in
                line + " \(field.0)=\(Self.plain(field.1))"
            } + "\n"
        case .json:
            let start = "{\"time\":\"\(time)\",\"level\":\"\(level.rawValue)\","
            return fields.reduce(start + "\"message\":\(Self.quoted(message))") { line, field in
                line + ",\(Self.quoted(field.0)):\(Self.quoted(field.1))"
            } + "}\n"
        }
    }

    private func emit(_ line: String) {
        // Written only when the reader has room for it: standard error may be a pipe that nobody empties, and making
        // it non-blocking would change it for everyone who shares it.
        var watched = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&watched, 1, 0) == 1, watched.revents & Int16(POLLOUT) != 0 else { return }
        var line = line
        line.withUTF8 { bytes in
            // Up to this size a pipe takes a line whole or not at all.
            _ = Glibc.write(STDERR_FILENO, bytes.baseAddress, min(bytes.count, Int(PIPE_BUF)))
        }
    }

    private static func timestamp(_ now: timespec) -> String {
        var seconds = now.tv_sec
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(Int(parts.tm_year) + 1900)-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let clock = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(padded(now.tv_nsec / 1_000_000, 3))Z"
    }

    private static func plain(_ text: String) -> String {
        let needsQuotes = text.isEmpty || text.utf8.contains { $0 <= 0x20 || $0 == 0x22 || $0 == 0x3d || $0 == 0x7f }
        return needsQuotes ? quoted(text) : text
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

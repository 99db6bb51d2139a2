// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Standard output for what was asked for, standard error for everything said about it.
enum Console {
    /// Writes to standard output, whole. A reader that went away ends the process by SIGPIPE, as it does every filter.
    static func write(_ text: String) throws {
        guard send(text, to: STDOUT_FILENO) else { throw Failure.system("cannot write the output", errno) }
    }

    /// A line on standard error.
    static func complain(_ text: String) {
        _ = send(text.hasSuffix("\n") ? text : text + "\n", to: STDERR_FILENO)
    }

    /// A failure on standard error: what failed, and what to do.
    static func report(_ failure: Failure) {
        let style = Style.standardError
        complain("\(style.paint("error:", .red)) \(failure.message)")
        if let hint = failure.hint {
            complain("\(style.paint("hint:", .cyan)) \(hint)")
        }
    }

    private static func send(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var sent = 0
            while sent < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent)
                if count < 0 {
                    guard errno == EINTR else { return false }
                } else {
                    sent += count
                }
            }
            return true
        }
    }
}

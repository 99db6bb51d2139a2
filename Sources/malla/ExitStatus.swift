// SPDX-License-Identifier: Apache-2.0

/// How the process ends. Thrown by a command that has already said all there is to say.
enum ExitStatus: Int32, Error {
    /// Done; for a question: yes.
    case ok = 0
    /// It failed; for a question: no.
    case failed = 1
    /// The command line is wrong.
    case usage = 2
    /// No daemon answers on the admin socket.
    case unreachable = 3
}

/// What failed, on what, and what to do about it: printed on standard error, and the end of the command.
struct Failure: Error {
    /// What failed, on what, and why: one sentence without a full stop.
    var message: String
    /// What to do: a command where there is one.
    var hint: String?
    /// How the process ends.
    var status: ExitStatus

    /// A failure.
    init(_ message: String, hint: String? = nil, status: ExitStatus = .failed) {
        self.message = message
        self.hint = hint
        self.status = status
    }

    /// A system call on something that failed: `cannot open /x: No such file or directory`.
    static func system(_ what: String, _ code: Int32, hint: String? = nil, status: ExitStatus = .failed) -> Failure {
        Failure("\(what): \(SystemError.text(code))", hint: hint, status: status)
    }
}

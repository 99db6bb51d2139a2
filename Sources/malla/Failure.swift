// SPDX-License-Identifier: Apache-2.0
import BPFKit
import MallaKernel
import MallaSources

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

    /// The failure that another room's error stands for.
    init(describing error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as KernelError: self.init(error.message, hint: error.hint)
        case let error as BPFError:
            self.init(
                "cannot \(error.operation) \(error.object): \(error.message)",
                hint: error.code == .notPermitted ? "run the same command as root, with sudo" : error.hint)
        case let error as SourceError: self.init("cannot \(error.description)")
        default: self.init("\(error)")
        }
    }

    /// A system call on something that failed: `cannot open /x: No such file or directory`.
    static func system(_ what: String, _ code: Int32, hint: String? = nil, status: ExitStatus = .failed) -> Failure {
        Failure("\(what): \(SystemError.text(code))", hint: hint, status: status)
    }
}

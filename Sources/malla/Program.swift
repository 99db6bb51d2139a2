// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import BPFKit
import Glibc
import MallaKernel
import MallaSources

/// Where `malla` starts: arguments to a command, the command's outcome to an exit status.
@main
enum Program {
    /// Runs the command that the arguments name and ends the process with its status.
    static func main() {
        exit(status(of: Array(CommandLine.arguments.dropFirst())).rawValue)
    }

    private static func status(of arguments: [String]) -> ExitStatus {
        do {
            try Suggestion.refuseUnknownCommand(in: arguments)
            var command = try Malla.parseAsRoot(arguments)
            try command.run()
            return .ok
        } catch let failure as Failure {
            Console.report(failure)
            return failure.status
        } catch let status as ExitStatus {
            return status
        } catch  where error is KernelError || error is BPFError || error is SourceError {
            let failure = Failure(describing: error)
            Console.report(failure)
            return failure.status
        } catch {
            // Help and completion scripts come as "errors" that mean success.
            let text = Malla.fullMessage(for: error)
            guard Malla.exitCode(for: error) != .success else {
                try? Console.write(text.hasSuffix("\n") ? text : text + "\n")
                return .ok
            }
            let title = Style.standardError.paint("error:", .red)
            Console.complain(text.hasPrefix("Error:") ? title + text.dropFirst(6) : text)
            return .usage
        }
    }
}

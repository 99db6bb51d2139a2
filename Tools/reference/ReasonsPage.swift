// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaModel

/// docs/reference/reasons.md: the list of bpf/include/malla/reason.h, which this program was compiled with.
enum ReasonsPage {
    /// The page.
    static var text: String {
        var page = """
            # Reasons

            <!-- Made by scripts/reference from bpf/include/malla/reason.h. Edit that. -->

            Why a connection was refused, cut, or let through by exception. The same names stand in events, logs, the \
            `reason` label of metrics, and what `malla` prints. Names and numbers are never given to another reason.

            | reason | number | the application's connect gets | what happened, and what to do |
            |---|---|---|---|

            """
        for reason in Reason.all {
            let error = name(of: reason.errno).map { "`\($0)`" } ?? "–"
            page += "| `\(reason.name)` | \(reason.rawValue) | \(error) | \(reason.help) |\n"
        }
        return page
    }

    /// The name of an errno that the list uses; `nil` for 0.
    private static func name(of code: Int32) -> String? {
        switch code {
        case 0: nil
        case EPERM: "EPERM"
        case ENOMEM: "ENOMEM"
        case ENETUNREACH: "ENETUNREACH"
        case ETIMEDOUT: "ETIMEDOUT"
        case ECONNREFUSED: "ECONNREFUSED"
        case EHOSTUNREACH: "EHOSTUNREACH"
        default: "errno \(code)"
        }
    }
}

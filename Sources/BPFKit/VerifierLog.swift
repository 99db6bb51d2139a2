// SPDX-License-Identifier: Apache-2.0

/// Picks from the verifier's log what a reader needs: it ends with the reason, after up to megabytes of steps.
enum VerifierLog {
    /// The last lines of the log without its statistics, after a line that says how many were left out.
    ///
    /// - Parameter lines: how many to keep.
    static func tail(of log: String, lines: Int = 8) -> String {
        let all = log.split(separator: "\n", omittingEmptySubsequences: true).filter {
            // Statistics that follow the reason.
            !$0.hasPrefix("processed ") && !$0.hasPrefix("verification time ") && !$0.hasPrefix("stack depth ")
        }
        let kept = all.suffix(lines).joined(separator: "\n")
        let omitted = all.count - min(all.count, lines)
        return omitted == 0 ? kept : "(\(omitted) lines omitted)\n" + kept
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Asks until there is an answer, for ten seconds.
func eventually<Answer>(_ what: String, _ ask: () throws -> Answer?) async throws -> Answer {
    for _ in 0..<200 {
        if let answer = try ask() { return answer }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw Never10Seconds(what: what)
}

struct Never10Seconds: Error { let what: String }

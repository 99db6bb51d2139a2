// SPDX-License-Identifier: Apache-2.0

/// Gathers problems, at most as many as the limits say, and counts the rest. Used by one thread.
final class ProblemCollector {
    private(set) var problems: [ResourceProblem] = []
    private(set) var omitted = 0
    /// What is taken nevertheless. They are bounded as problems are; more are dropped.
    private(set) var warnings: [ResourceProblem] = []
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { problems.isEmpty }

    func warn(_ problem: ResourceProblem) {
        guard warnings.count < limit else { return }
        var warning = problem
        warning.isWarning = true
        warnings.append(warning)
    }

    func add(_ problem: ResourceProblem) {
        if problems.count < limit {
            problems.append(problem)
        } else {
            omitted += 1
        }
    }
}

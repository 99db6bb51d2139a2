// SPDX-License-Identifier: Apache-2.0

/// Finds the word that somebody may have meant.
enum Spelling {
    /// The nearest of `words` that is at most a third of its letters away from `text`; the first of equals in
    /// alphabetical order.
    static func nearest(to text: String, among words: some Sequence<String>) -> String? {
        // What is much longer than any field cannot be a slip, and would take quadratic time.
        guard text.count <= 64 else { return nil }
        var best: (distance: Int, word: String)?
        for word in words.sorted() {
            let distance = distance(Array(text.lowercased()), Array(word.lowercased()))
            guard distance <= max(1, word.count / 3), distance < word.count else { continue }
            if best.map({ distance < $0.distance }) ?? true { best = (distance, word) }
        }
        return best?.word
    }

    /// Insertions, deletions, substitutions and swaps of neighbours.
    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var before: [Int] = []
        var previous = Array(0...b.count)
        for i in a.indices {
            var current = [i + 1]
            for j in b.indices {
                var cost = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
                current.append(cost)
            }
            before = previous
            previous = current
        }
        return previous[b.count]
    }
}

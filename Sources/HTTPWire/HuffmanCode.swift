// SPDX-License-Identifier: Apache-2.0

/// HPACK's Huffman code (RFC 7541 appendix B) as an automaton that takes four bits at a time.
///
/// A code has 5 bits at least, so four bits complete one symbol at most. Codes beginning anew are the root; each other
/// state is an inner node of the code's tree. One instance serves all threads.
final class HuffmanCode: Sendable {
    /// The tables, which live as long as the program: no reference is counted for a string.
    struct Automaton: BitwiseCopyable {
        fileprivate let transitions: UnsafePointer<UInt32>
        fileprivate let states: Int
        /// Where the input may end: at a symbol's end, or after up to seven bits of padding, all ones.
        fileprivate let ends: InlineArray<8, Int>

        /// Bits 0–7: the symbol, 8: there is one, 9: no such code, 16–23: the next state.
        @inline(__always)
        func step(_ state: Int, _ bits: Int) -> UInt32 {
            precondition(state < states && bits < 16)
            return transitions[state * 16 + bits]
        }

        /// Whether the input may end in a state.
        @inline(__always)
        func mayEnd(_ state: Int) -> Bool {
            for index in ends.indices where ends[index] == state { return true }
            return false
        }
    }

    nonisolated(unsafe) let automaton: Automaton

    static let symbolBit: UInt32 = 1 << 8
    static let failureBit: UInt32 = 1 << 9

    /// The automaton; built at the first use, so hold on to it instead of asking for each head.
    static let shared = HuffmanCode()

    private init() {
        let tree = Self.tree()
        var transitions = [UInt32](repeating: Self.failureBit, count: tree.count * 16)
        for state in tree.indices {
            for bits in 0..<16 {
                var node = state
                var entry: UInt32 = 0
                for shift in [3, 2, 1, 0] {
                    let next = tree[node][bits >> shift & 1]
                    if next == Self.endOfString {
                        entry = Self.failureBit
                        break
                    }
                    if next < 0 {
                        entry |= Self.symbolBit | UInt32(-1 - next)
                        node = 0
                    } else {
                        node = next
                    }
                }
                transitions[state * 16 + bits] = entry == Self.failureBit ? entry : entry | UInt32(node) << 16
            }
        }
        var ends = InlineArray<8, Int>(repeating: 0)
        var node = 0
        for index in ends.indices {
            ends[index] = node
            node = tree[node][1]
        }
        let table = UnsafeMutablePointer<UInt32>.allocate(capacity: transitions.count)
        table.initialize(from: transitions, count: transitions.count)
        automaton = Automaton(transitions: UnsafePointer(table), states: tree.count, ends: ends)
    }

    /// The code's tree: each inner node has two children; a child below zero is the symbol `-1 - child`.
    private static func tree() -> [[Int]] {
        var tree = [[0, 0]]
        var code = 0
        var length = 5
        // The code is canonical: codes of one length count up in the order of their symbols.
        for (width, symbol) in lengths.enumerated().map({ ($0.element, $0.offset) }).sorted(by: { $0 < $1 }) {
            code <<= Int(width) - length
            length = Int(width)
            var node = 0
            for shift in stride(from: length - 1, to: 0, by: -1) {
                let bit = code >> shift & 1
                if tree[node][bit] == 0 {
                    tree[node][bit] = tree.count
                    tree.append([0, 0])
                }
                node = tree[node][bit]
            }
            tree[node][code & 1] = -1 - symbol
            code += 1
        }
        return tree
    }

    /// The child that stands for EOS, which must not occur in a string.
    private static let endOfString = -1 - 256

    /// How many bits each symbol's code has; the last is EOS.
    private static let lengths: [UInt8] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
        28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
        5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
        6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
        24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
        21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
        19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
        26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    ]
}

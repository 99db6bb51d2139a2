// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Cuts the addresses into regions in which every test answers the same.
///
/// The region of a block is the block without the smaller blocks in it: the longest-prefix rule, by which kernel and
/// proxy look up. A region whose answers are those of the block around it is left out.
struct AddressRegions {
    /// Which of the tests an address of a region passes, one bit for each, in the order of the tests.
    typealias Answers = [UInt64]

    /// Answers by block. ``AddressBlock/everything`` is always there.
    private(set) var regions: [AddressBlock: Answers] = [:]

    /// The regions that these tests make: each element is the tests that must all be passed.
    init(_ tests: [[BlockTest]]) {
        /// Where a block is asked for: which element, which test of it, and whether it is excepted there.
        struct Mention {
            var element: Int
            var test: Int
            var isExcepted: Bool
        }
        var mentions: [AddressBlock: [Mention]] = [.everything: [], .ipv4: []]
        for (element, all) in tests.enumerated() {
            for (index, test) in all.enumerated() {
                for block in test.blocks {
                    mentions[block, default: []].append(Mention(element: element, test: index, isExcepted: false))
                }
                for block in test.notBlocks {
                    mentions[block, default: []].append(Mention(element: element, test: index, isExcepted: true))
                }
            }
        }
        let lengths = Set(mentions.keys.map(\.bits)).sorted()
        // Larger blocks first, so that what stands around a region is known.
        for block in mentions.keys.sorted(by: { ($0.bits, $0.first) < ($1.bits, $1.first) }) {
            var isIn = tests.map { $0.map(\.blocks.isEmpty) }
            var isExcepted = tests.map { $0.map { _ in false } }
            var around: Answers?
            for length in lengths where length <= block.bits {
                let outer = AddressBlock(block.first, bits: length)
                if outer != block, let known = regions[outer] { around = known }
                guard outer.isIPv4 == block.isIPv4 else { continue }
                for mention in mentions[outer] ?? [] {
                    if mention.isExcepted {
                        isExcepted[mention.element][mention.test] = true
                    } else {
                        isIn[mention.element][mention.test] = true
                    }
                }
            }
            var answers = Answers(repeating: 0, count: (tests.count + 63) / 64)
            for element in tests.indices {
                let passes = zip(isIn[element], isExcepted[element]).allSatisfy { $0 && !$1 }
                if passes { answers[element / 64] |= 1 << UInt64(element % 64) }
            }
            if answers != around { regions[block] = answers }
        }
    }

    /// Whether the element at `index` passes, by these answers.
    static func passes(_ answers: Answers, _ index: Int) -> Bool { answers[index / 64] >> UInt64(index % 64) & 1 == 1 }
}

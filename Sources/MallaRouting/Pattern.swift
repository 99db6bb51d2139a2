// SPDX-License-Identifier: Apache-2.0

/// An expression that a whole text matches or does not, compiled to a table: one step a byte, whatever the
/// expression, so that no text takes long. An expression that would need too large a table is refused when it is
/// loaded.
///
/// It works on bytes: `.` is one byte, and a character beyond ASCII is as many as its UTF-8 has.
public struct Pattern: Sendable {
    /// The longest expression.
    public static let longest = 4_096
    /// Most bytes that the expression may stand for when its repetitions are written out.
    static let mostPositions = 1_500
    /// Most states of the automaton.
    static let mostStates = 2_000

    /// The state after each state and class of bytes.
    private let next: [UInt16]
    private let classes: InlineArray<256, UInt8>
    private let width: Int
    private let accepting: [Bool]

    /// The state that nothing leads out of.
    private static let dead: UInt16 = 0
    /// Where every text begins.
    public static let start: UInt16 = 1

    /// Compiles an expression.
    public init(_ text: String) throws(PatternError) {
        guard text.utf8.count <= Self.longest else {
            throw PatternError(
                description: "it is \(text.utf8.count) bytes long; at most \(Self.longest) are allowed")
        }
        var positions = PatternPositions()
        let root = try positions.add(PatternParser.parse(text))
        let tables = try PatternTables(positions, root: root)
        next = tables.next
        classes = tables.classes
        width = tables.width
        accepting = tables.accepting
    }

    /// Whether the whole text matches.
    @inline(__always)
    public func matches(_ text: Span<UInt8>) -> Bool {
        var state = Self.start
        for index in 0..<text.count {
            state = step(state, text[index])
            if state == Self.dead { return false }
        }
        return accepts(state)
    }

    /// The state after one more byte.
    @inline(__always)
    func step(_ state: UInt16, _ byte: UInt8) -> UInt16 {
        next[Int(state) &* width &+ Int(classes[Int(byte)])]
    }

    /// Whether a text that ends in this state matches.
    @inline(__always)
    func accepts(_ state: UInt16) -> Bool { accepting[Int(state)] }
}

/// The places in an expression where a byte is taken, and which can come behind which (Glushkov's construction).
struct PatternPositions {
    /// A part of the expression: whether it matches nothing, and where it can begin and end.
    struct Part {
        var isNullable: Bool
        var first: Set<Int>
        var last: Set<Int>
    }

    /// What each position takes.
    private(set) var sets: [ByteSet] = []
    /// What can come behind it.
    private(set) var follow: [Set<Int>] = []
    /// Steps that were spent: sets grow with the square of what is repeated.
    private var work = 0

    mutating func add(_ node: PatternNode) throws(PatternError) -> Part {
        // Repetitions of nothing add no position.
        try spend(1)
        switch node {
        case .bytes(let set):
            guard sets.count < Pattern.mostPositions else {
                throw PatternError(
                    description: "with its repetitions written out it has more than \(Pattern.mostPositions) places")
            }
            sets.append(set)
            follow.append([])
            return Part(isNullable: false, first: [sets.count - 1], last: [sets.count - 1])
        case .sequence(let parts):
            var whole = Part(isNullable: true, first: [], last: [])
            for part in parts { whole = try join(whole, try add(part)) }
            return whole
        case .choice(let branches):
            var whole = Part(isNullable: false, first: [], last: [])
            for branch in branches {
                let part = try add(branch)
                whole.isNullable = whole.isNullable || part.isNullable
                whole.first.formUnion(part.first)
                whole.last.formUnion(part.last)
            }
            return whole
        case .repeated(let node, let minimum, let maximum):
            var whole = Part(isNullable: true, first: [], last: [])
            for _ in 0..<minimum { whole = try join(whole, try add(node)) }
            if let maximum {
                for _ in minimum..<maximum {
                    var part = try add(node)
                    part.isNullable = true
                    whole = try join(whole, part)
                }
            } else {
                var part = try add(node)
                try connect(part.last, part.first)
                part.isNullable = true
                whole = try join(whole, part)
            }
            return whole
        }
    }

    private mutating func join(_ one: Part, _ other: Part) throws(PatternError) -> Part {
        try connect(one.last, other.first)
        return Part(
            isNullable: one.isNullable && other.isNullable,
            first: one.isNullable ? one.first.union(other.first) : one.first,
            last: other.isNullable ? one.last.union(other.last) : other.last)
    }

    private mutating func connect(_ ends: Set<Int>, _ beginnings: Set<Int>) throws(PatternError) {
        try spend(ends.count * beginnings.count)
        for end in ends { follow[end].formUnion(beginnings) }
    }

    private mutating func spend(_ steps: Int) throws(PatternError) {
        work += steps
        guard work <= 1_000_000 else { throw PatternError(description: "it is too complex") }
    }
}

/// The automaton's tables: sets of positions become states.
struct PatternTables {
    private(set) var next: [UInt16] = []
    private(set) var classes = InlineArray<256, UInt8>(repeating: 0)
    private(set) var width = 0
    private(set) var accepting: [Bool] = []

    init(_ positions: PatternPositions, root: PatternPositions.Part) throws(PatternError) {
        let samples = groupBytes(positions.sets)
        width = samples.count
        var numbers: [Set<Int>: UInt16] = [[]: 0]
        // The first state is the dead one; the second is the start, which no set of positions stands for.
        next = [UInt16](repeating: 0, count: width)
        accepting = [false, root.isNullable]
        var pending: [Set<Int>] = []
        var work = 0

        func number(of set: Set<Int>) throws(PatternError) -> UInt16 {
            if let number = numbers[set] { return number }
            guard accepting.count < Pattern.mostStates else {
                throw PatternError(
                    description: "it needs more than \(Pattern.mostStates) states; make it simpler")
            }
            let number = UInt16(truncatingIfNeeded: accepting.count)
            numbers[set] = number
            accepting.append(!set.isDisjoint(with: root.last))
            pending.append(set)
            return number
        }
        func row(from candidates: Set<Int>) throws(PatternError) {
            for sample in samples {
                work += candidates.count
                guard work <= 20_000_000 else { throw PatternError(description: "it is too complex") }
                next.append(try number(of: candidates.filter { positions.sets[$0].contains(sample) }))
            }
        }
        try row(from: root.first)
        var index = 0
        while index < pending.count {
            var candidates: Set<Int> = []
            for position in pending[index] { candidates.formUnion(positions.follow[position]) }
            work += pending[index].count
            try row(from: candidates)
            index += 1
        }
    }

    /// Gives the bytes that no position tells apart one number, and returns one byte of each number.
    private mutating func groupBytes(_ sets: [ByteSet]) -> [UInt8] {
        let distinct = Array(Set(sets))
        var numbers: [[Bool]: UInt8] = [:]
        var samples: [UInt8] = []
        for byte in UInt8.min...UInt8.max {
            let signature = distinct.map { $0.contains(byte) }
            if let number = numbers[signature] {
                classes[Int(byte)] = number
            } else {
                let number = UInt8(truncatingIfNeeded: samples.count)
                numbers[signature] = number
                samples.append(byte)
                classes[Int(byte)] = number
            }
        }
        return samples
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Why an expression is not taken.
public struct PatternError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, where, and what to do.
    public var description: String
}

/// The syntax tree of an expression: RE2's syntax without what a finite automaton over bytes cannot or need not do.
indirect enum PatternNode {
    /// One byte of a set.
    case bytes(ByteSet)
    case sequence([PatternNode])
    case choice([PatternNode])
    /// `maximum` nil: any number of times.
    case repeated(PatternNode, minimum: Int, maximum: Int?)
}

/// A set of bytes.
struct ByteSet: Hashable {
    private var words = InlineWords()
    private struct InlineWords: Hashable {
        var a: UInt64 = 0
        var b: UInt64 = 0
        var c: UInt64 = 0
        var d: UInt64 = 0
    }

    static var any: ByteSet { ByteSet(0...9).union(ByteSet(11...255)) }
    static var digits: ByteSet { ByteSet(0x30...0x39) }
    static var space: ByteSet { ByteSet(0x09...0x0a).union(ByteSet(0x0c...0x0d)).union(ByteSet(0x20...0x20)) }
    static var word: ByteSet {
        digits.union(ByteSet(0x41...0x5a)).union(ByteSet(0x61...0x7a)).union(ByteSet(0x5f...0x5f))
    }

    init() {}
    init(_ range: ClosedRange<UInt8>) { for byte in range { insert(byte) } }

    func contains(_ byte: UInt8) -> Bool {
        let bit: UInt64 = 1 << UInt64(byte & 63)
        return switch byte >> 6 {
        case 0: words.a & bit != 0
        case 1: words.b & bit != 0
        case 2: words.c & bit != 0
        default: words.d & bit != 0
        }
    }

    mutating func insert(_ byte: UInt8) {
        let bit: UInt64 = 1 << UInt64(byte & 63)
        switch byte >> 6 {
        case 0: words.a |= bit
        case 1: words.b |= bit
        case 2: words.c |= bit
        default: words.d |= bit
        }
    }

    func union(_ other: ByteSet) -> ByteSet {
        var result = self
        result.words.a |= other.words.a
        result.words.b |= other.words.b
        result.words.c |= other.words.c
        result.words.d |= other.words.d
        return result
    }

    var inverted: ByteSet {
        var result = self
        result.words.a = ~words.a
        result.words.b = ~words.b
        result.words.c = ~words.c
        result.words.d = ~words.d
        return result
    }

    /// With the other letter case of each letter.
    var caseless: ByteSet {
        var result = self
        for byte in UInt8(0x41)...0x5a where contains(byte) || contains(byte | 0x20) {
            result.insert(byte)
            result.insert(byte | 0x20)
        }
        return result
    }
}

/// Reads an expression.
struct PatternParser {
    private let text: [UInt8]
    private var index = 0
    private var depth = 0
    private var isCaseless = false

    /// Groups within groups.
    private static let deepest = 50
    /// The largest number in a `{}`.
    static let mostRepeats = 1_000

    private init(_ text: [UInt8]) { self.text = text }

    static func parse(_ text: String) throws(PatternError) -> PatternNode {
        var parser = PatternParser(Array(text.utf8))
        if parser.take("(?i)") { parser.isCaseless = true }
        // The whole text must match: these say nothing more.
        _ = parser.take("^")
        let node = try parser.choice()
        guard parser.index == parser.text.count else { throw parser.error("a ) without its (") }
        return node
    }

    private mutating func choice() throws(PatternError) -> PatternNode {
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var parts: [PatternNode] = []
        while let byte = peek, byte != 0x7c, byte != 0x29 {
            if byte == 0x24 {
                index += 1
                guard index == text.count else { throw error("$ stands before the end") }
                break
            }
            parts.append(try repeats(of: try atom()))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func repeats(of atom: PatternNode) throws(PatternError) -> PatternNode {
        var node = atom
        var count = 0
        while let byte = peek {
            var bounds: (minimum: Int, maximum: Int?)
            switch byte {
            case 0x2a: bounds = (0, nil)
            case 0x2b: bounds = (1, nil)
            case 0x3f: bounds = (0, 1)
            case 0x7b: bounds = try braces()
            default: return node
            }
            if byte != 0x7b { index += 1 }
            // Lazy and greedy match the same texts.
            _ = take("?")
            count += 1
            guard count == 1 else { throw error("a repetition of a repetition; put the inner one into ( )") }
            node = .repeated(node, minimum: bounds.minimum, maximum: bounds.maximum)
        }
        return node
    }

    private mutating func braces() throws(PatternError) -> (minimum: Int, maximum: Int?) {
        index += 1
        guard let minimum = number() else { throw error("{ without a number; write \\{ for the character") }
        var maximum: Int? = minimum
        if take(",") { maximum = number() }
        guard take("}") else { throw error("{ without its }") }
        guard minimum <= Self.mostRepeats, (maximum ?? minimum) <= Self.mostRepeats else {
            throw error("a repetition of more than \(Self.mostRepeats)")
        }
        guard minimum <= maximum ?? minimum else { throw error("a repetition with more at least than at most") }
        return (minimum, maximum)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let byte = peek, byte &- 0x30 < 10 {
            value = min((value ?? 0) * 10 + Int(byte &- 0x30), 1_000_000)
            index += 1
        }
        return value
    }

    private mutating func atom() throws(PatternError) -> PatternNode {
        guard let byte = peek else { throw error("it ends too early") }
        index += 1
        switch byte {
        case 0x28: return try group()
        case 0x5b: return .bytes(try set())
        case 0x2e: return .bytes(.any)
        case 0x5c: return .bytes(try escape())
        case 0x2a, 0x2b, 0x3f: throw error("a repetition of nothing")
        case 0x7b: throw error("{ behind nothing; write \\{ for the character")
        case 0x5e: throw error("^ stands behind the beginning")
        default:
            // A character beyond ASCII is repeated as a whole.
            var character: [PatternNode] = [.bytes(literal(byte))]
            while byte >= 0xc0, let more = peek, more & 0xc0 == 0x80 {
                character.append(.bytes(literal(more)))
                index += 1
            }
            return character.count == 1 ? character[0] : .sequence(character)
        }
    }

    private mutating func group() throws(PatternError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepest else { throw error("more than \(Self.deepest) groups within each other") }
        if take("?") {
            if take("P<") || take("<") {
                guard peek != 0x3d, peek != 0x21 else { throw error("it looks behind, which is not supported") }
                while let byte = peek, byte != 0x3e { index += 1 }
                guard take(">") else { throw error("a group's name without its >") }
            } else if !take(":") {
                throw error("only (?: ), named groups and (?i) at the beginning are supported behind (?")
            }
        }
        let node = try choice()
        guard take(")") else { throw error("a ( without its )") }
        return node
    }

    private mutating func set() throws(PatternError) -> ByteSet {
        let isInverted = take("^")
        var result = ByteSet()
        var isFirst = true
        while true {
            guard let byte = peek else { throw error("a [ without its ]") }
            if byte == 0x5d, !isFirst {
                index += 1
                break
            }
            isFirst = false
            if text[index...].starts(with: "[:".utf8) { throw error("classes such as [:alpha:] are not supported") }
            index += 1
            guard byte < 0x80 else { throw error("a set with a character beyond ASCII; write a choice with |") }
            var first: UInt8 = byte
            if byte == 0x5c {
                let escaped = try escape()
                guard let only = Self.only(escaped) else {
                    result = result.union(escaped)
                    continue
                }
                first = only
            }
            guard peek == 0x2d, index + 1 < text.count, text[index + 1] != 0x5d else {
                result.insert(first)
                continue
            }
            index += 1
            guard var last = peek else { throw error("a [ without its ]") }
            index += 1
            if last == 0x5c {
                guard let only = Self.only(try escape()) else { throw error("a range that ends in a class") }
                last = only
            }
            guard first <= last, last < 0x80 else { throw error("a range that runs backwards or beyond ASCII") }
            result = result.union(ByteSet(first...last))
        }
        if isCaseless { result = result.caseless }
        return isInverted ? result.inverted : result
    }

    private static func only(_ set: ByteSet) -> UInt8? {
        var found: UInt8?
        for byte in UInt8.min...UInt8.max where set.contains(byte) {
            if found != nil { return nil }
            found = byte
        }
        return found
    }

    private mutating func escape() throws(PatternError) -> ByteSet {
        guard let byte = peek else { throw error("it ends in \\") }
        index += 1
        switch byte {
        case 0x64: return .digits
        case 0x44: return ByteSet.digits.inverted
        case 0x77: return .word
        case 0x57: return ByteSet.word.inverted
        case 0x73: return .space
        case 0x53: return ByteSet.space.inverted
        case 0x74: return ByteSet(0x09...0x09)
        case 0x6e: return ByteSet(0x0a...0x0a)
        case 0x72: return ByteSet(0x0d...0x0d)
        default:
            let isWord = ByteSet.word.contains(byte)
            guard !isWord, byte < 0x80 else {
                throw error("\\\(Character(UnicodeScalar(byte))) is not supported")
            }
            return ByteSet(byte...byte)
        }
    }

    private func literal(_ byte: UInt8) -> ByteSet {
        let set = ByteSet(byte...byte)
        return isCaseless ? set.caseless : set
    }

    private var peek: UInt8? { index < text.count ? text[index] : nil }

    private mutating func take(_ expected: StaticString) -> Bool {
        let count = expected.utf8CodeUnitCount
        guard text.count - index >= count else { return false }
        for offset in 0..<count where text[index + offset] != expected.utf8Start[offset] { return false }
        index += count
        return true
    }

    private func error(_ what: String) -> PatternError {
        PatternError(description: "\(what), at character \(min(index, text.count))")
    }
}

// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaModel
import MallaRouting

/// Requests and responses through HTTPWire and MallaRouting, between memory and memory: work for a profiler to count.
///
/// usage: bench-wire h1 COUNT             HTTP/1.1 on both sides
///        bench-wire h2 COUNT             HTTP/2 on both sides
///        bench-wire route RULES COUNT    one request, matched against so many rules
@main
enum WireBench {
    static func main() {
        let words = CommandLine.arguments
        if words.count == 3, words[1] == "h1", let count = Int(words[2]) {
            var relay = PlainRelay()
            for _ in 0..<count { relay.exchange() }
        } else if words.count == 3, words[1] == "h2", let count = Int(words[2]) {
            var relay = StreamRelay()
            for index in 0..<count { relay.exchange(UInt32(index * 2 + 1)) }
        } else if words.count == 4, words[1] == "route", let rules = Int(words[2]), let count = Int(words[3]) {
            let matcher = RouteMatcher(rules: rules)
            for _ in 0..<count { matcher.match() }
        } else {
            complain("usage: bench-wire h1 COUNT | h2 COUNT | route RULES COUNT\n")
            exit(2)
        }
    }

    /// Ends the program when something did not happen that is measured.
    static func require(_ holds: Bool, _ what: StaticString) {
        if !holds { fail(what) }
    }

    /// Ends the program.
    static func fail(_ what: StaticString) -> Never {
        complain("bench-wire: \(what)\n")
        exit(1)
    }

    private static func complain(_ text: String) {
        for byte in text.utf8 { _ = withUnsafeBytes(of: byte) { write(2, $0.baseAddress, 1) } }
    }
}

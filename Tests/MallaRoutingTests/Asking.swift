// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import MallaRouting
import Testing

/// What a table said of one request.
struct Answer: Equatable {
    var rule: String?
    var prefixLength = 0
    /// The request's path in normal form, with its query.
    var path = ""
    /// What the rule writes as the upstream's path.
    var rewritten = ""
    /// What the rule writes as Location.
    var location = ""
    /// What is left of the fields, and what is added, when the rule has changed them.
    var fields: [String] = []
}

extension RouteTable {
    /// Asks for a request that is read as the proxy reads it.
    func ask(_ text: String, port: UInt16 = 80) throws -> Answer {
        let input = Array((text + "\r\n\r\n").utf8)
        var fields = FieldTable()
        var connection = H1ServerConnection()
        let reader = H1HeadReader(limits: WireLimits())
        let (event, _) = connection.next(input.span, closed: false, reader: reader, fields: &fields)
        guard case .head(let head) = event else {
            Issue.record("no request: \(text)")
            return Answer()
        }
        let path = try written { out in
            let refusal = NormalPath.write(head.path, of: input.span, into: &out)
            #expect(refusal == nil)
        }
        var answer = Answer(path: String(decoding: path, as: UTF8.self))
        guard let choice = choose(head, fields, of: input.span, path: path.span) else { return answer }
        let rule = rules[choice.rule]
        answer.rule = rule.name
        answer.prefixLength = choice.prefixLength
        if let rewrite = rule.rewrite {
            answer.rewritten = String(
                decoding: try written {
                    rewrite.writePath(path.span, prefixLength: choice.prefixLength, into: &$0)
                }, as: UTF8.self)
        }
        if let redirect = rule.redirect {
            answer.location = String(
                decoding: try written {
                    redirect.writeLocation(
                        head, of: input.span, path: path.span, prefixLength: choice.prefixLength, isSecure: false,
                        asked: port, into: &$0)
                }, as: UTF8.self)
        }
        rule.requestHeaders.drop(from: &fields, of: input.span)
        for line in 0..<fields.count where !fields[line].isDropped {
            let name = String(decoding: input[fields[line].name.range], as: UTF8.self)
            answer.fields.append("\(name): \(String(decoding: input[fields[line].value.range], as: UTF8.self))")
        }
        let changes = rule.requestHeaders
        for added in 0..<changes.added {
            let name = String(decoding: changes.text[changes.name(added)], as: UTF8.self)
            answer.fields.append("\(name): \(String(decoding: changes.text[changes.value(added)], as: UTF8.self))")
        }
        return answer
    }

    /// The name of the rule that a GET of this path gets.
    func get(_ path: String, _ fields: String...) throws -> String? {
        let lines = ["GET \(path) HTTP/1.1", "Host: web"] + fields
        return try ask(lines.joined(separator: "\r\n")).rule
    }
}

/// What a closure writes.
func written(_ write: (inout ByteWriter) -> Void) throws -> [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 8)
    defer { memory.deallocate() }
    var out = ByteWriter(memory)
    write(&out)
    let overflowed = out.overflowed
    #expect(!overflowed)
    return Array(memory[0..<out.count])
}

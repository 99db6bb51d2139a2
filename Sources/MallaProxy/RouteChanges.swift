// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaRouting
import Reactor

// What a rule changes in the heads that pass: made where they are written, and only where a rule says so.

extension Worker {
    /// Prepares a request's head at the desk: path, authority and fields as the rule and its backend want them.
    ///
    /// - Returns: whether an authority was put onto the desk in place of the request's own; `nil` when the new path is
    ///   too long.
    func changeRequest(_ matched: MatchedRule, _ bytes: Span<UInt8>) -> Bool? {
        guard let table = table(of: matched) else { return false }
        let rule = Int(matched.rule)
        let backend = Int(matched.backend)
        table.rules[rule].requestHeaders.drop(from: &desk.pointee.fields, of: bytes)
        guard backend >= 0 else { return false }
        table.rules[rule].backends[backend].requestHeaders.drop(from: &desk.pointee.fields, of: bytes)
        let rewrite = table.rules[rule].backends[backend].rewrite ?? table.rules[rule].rewrite
        guard let rewrite else { return false }
        if rewrite.changesPath, desk.pointee.pathCount > 0 {
            guard desk.pointee.rewritePath(rewrite, prefixLength: Int(matched.prefixLength)) else { return nil }
        }
        if rewrite.changesHost { desk.pointee.nameHost(rewrite.host.span) }
        return rewrite.changesHost
    }

    /// The rules that a request matched one of, as long as they are in force and there is something to do by them.
    @inline(__always)
    func table(of matched: MatchedRule) -> RouteTable? {
        matched.isSome && !matched.isPlain ? view?.routes.table(number: matched.page) : nil
    }

    /// Writes the fields that the rule adds to a request.
    static func addToRequest(
        _ matched: MatchedRule, _ table: RouteTable?, _ write: (Span<UInt8>, Span<UInt8>) -> Void
    ) {
        guard let table else { return }
        let rule = Int(matched.rule)
        add(table.rules[rule].requestHeaders, write)
        if matched.backend >= 0 { add(table.rules[rule].backends[Int(matched.backend)].requestHeaders, write) }
    }

    /// Leaves the fields that the rule takes out of a response out of the head at the desk.
    ///
    /// A rule that is no longer in force changes nothing: the responses of its requests go as they came.
    func changeResponse(_ matched: MatchedRule, _ bytes: Span<UInt8>) {
        guard let table = table(of: matched) else { return }
        let rule = Int(matched.rule)
        if matched.backend >= 0 {
            table.rules[rule].backends[Int(matched.backend)].responseHeaders.drop(
                from: &desk.pointee.fields, of: bytes)
        }
        table.rules[rule].responseHeaders.drop(from: &desk.pointee.fields, of: bytes)
    }

    /// Writes the fields that the rule adds to a response.
    static func addToResponse(
        _ matched: MatchedRule, _ table: RouteTable?, _ write: (Span<UInt8>, Span<UInt8>) -> Void
    ) {
        guard let table else { return }
        let rule = Int(matched.rule)
        if matched.backend >= 0 { add(table.rules[rule].backends[Int(matched.backend)].responseHeaders, write) }
        add(table.rules[rule].responseHeaders, write)
    }

    private static func add(_ changes: HeaderChanges, _ write: (Span<UInt8>, Span<UInt8>) -> Void) {
        for index in 0..<changes.added {
            write(changes.text.span.extracting(changes.name(index)), changes.text.span.extracting(changes.value(index)))
        }
    }
}

extension ReadingDesk {
    /// The path at the desk becomes what the rule makes of it. False when that is too long; the path is then as it was.
    mutating func rewritePath(_ rewrite: RewriteAction, prefixLength: Int) -> Bool {
        var out = ByteWriter(spare)
        rewrite.writePath(pathBytes.span, prefixLength: prefixLength, into: &out)
        guard !out.overflowed else { return false }
        pathCount = out.count
        swap(&path, &spare)
        return true
    }
}

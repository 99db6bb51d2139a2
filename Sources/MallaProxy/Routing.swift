// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import MallaRouting

/// What becomes of a request: the answer of ``Routing/route(_:_:of:path:at:for:draw:in:)``.
///
/// A plain value without references, so that asking for it costs no allocation and no reference count.
struct Routed: BitwiseCopyable {
    /// What is done with the request.
    enum Outcome: BitwiseCopyable {
        /// It goes to an endpoint of the service's port in this place of ``View/ports``.
        case forward(port: Int)
        /// It is answered here with this status, and counted under the reason.
        case answer(status: UInt16, Reason)
        /// The client is told to ask elsewhere.
        case redirect
    }

    var outcome: Outcome
    /// For the whole exchange, from the request's head to the response's end, nanoseconds; 0: none.
    var timeout: Nanoseconds = 0
    /// The rule that the request matched.
    var rule = MatchedRule()
}

/// The rule that a request matched, and the backend that was drawn.
struct MatchedRule: BitwiseCopyable {
    /// Number of the page of the ``RouteBook``; 0: no rule.
    var page: UInt32 = 0
    var rule: Int32 = 0
    /// -1: none was drawn.
    var backend: Int32 = -1
    /// Bytes of the path that a rewrite of the prefix replaces.
    var prefixLength: Int32 = 0
    /// Whether rule and backend leave requests and responses as they are, so that neither is looked at again.
    var isPlain = false

    /// Whether there is a rule.
    @inline(__always)
    var isSome: Bool { page != 0 }
}

/// Where requests go.
///
/// This is the one place in which routes are asked: once per request, after the path was normalised and before policy
/// and balancing. A port without routes goes to the service itself.
enum Routing {
    /// The route of a request.
    ///
    /// - Parameters:
    ///   - head: the request's head; its ranges mean parts of `bytes`.
    ///   - fields: its fields. A field that appears several times stands there several times.
    ///   - path: the normal form of path and query, which is also what the endpoint will see; empty for `OPTIONS *`.
    ///   - port: place of the captured connection's port in ``View/ports``.
    ///   - source: the client's identity.
    ///   - draw: a random number, for the share of a backend.
    static func route(
        _ head: RequestHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, path: Span<UInt8>, at port: Int,
        for source: UInt32, draw: UInt64, in view: View
    ) -> Routed {
        guard let place = view.routes.page(at: port, for: source) else { return Routed(outcome: .forward(port: port)) }
        let page = view.routes.pages[place]
        guard let table = page.table else { return Routed(outcome: .answer(status: 500, .noRoute)) }
        guard let choice = table.choose(head, fields, of: bytes, path: path) else {
            return Routed(outcome: .answer(status: 404, .noRoute))
        }
        var matched = MatchedRule(
            page: page.number, rule: Int32(truncatingIfNeeded: choice.rule),
            prefixLength: Int32(truncatingIfNeeded: choice.prefixLength))
        if table.rules[choice.rule].redirect != nil { return Routed(outcome: .redirect, rule: matched) }
        // Where one attempt is all there is, its limit and that of the whole are the same.
        let whole = table.rules[choice.rule].requestTimeout ?? 0
        let attempt = table.rules[choice.rule].retry == nil ? table.rules[choice.rule].backendTimeout ?? 0 : 0
        let timeout = whole == 0 ? attempt : attempt == 0 ? whole : min(whole, attempt)
        guard
            let backend = table.rules[choice.rule].pick(
                slot: UInt32(truncatingIfNeeded: draw >> 32), alias: UInt32(truncatingIfNeeded: draw))
        else {
            return Routed(outcome: .answer(status: 500, .noBackend), rule: matched)
        }
        matched.backend = Int32(truncatingIfNeeded: backend)
        if table.rules[choice.rule].backends[backend].redirect != nil {
            return Routed(outcome: .redirect, rule: matched)
        }
        guard let lead = view.routes.leads[place].port(rule: choice.rule, backend: backend) else {
            return Routed(outcome: .answer(status: 500, .noBackend), rule: matched)
        }
        matched.isPlain =
            table.rules[choice.rule].isPlain && table.rules[choice.rule].backends[backend].isPlain
        return Routed(outcome: .forward(port: lead), timeout: timeout, rule: matched)
    }
}

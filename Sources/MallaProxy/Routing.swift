// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel

/// What becomes of a request: the answer of ``Routing/route(_:_:of:path:at:in:)``.
///
/// A plain value without references, so that asking for it costs no allocation and no reference count. What it names is
/// in the view that was asked.
struct Routed: BitwiseCopyable {
    /// What is done with the request.
    enum Outcome: BitwiseCopyable {
        /// It goes to an endpoint of the service's port in this place of ``View/ports``.
        case forward(port: Int)
        /// It is answered here with this status, and counted under the reason.
        case answer(status: UInt16, Reason)
    }

    var outcome: Outcome
    /// For the whole exchange, from the request's head to the response's end, nanoseconds; 0: none.
    var timeout: Nanoseconds = 0
}

/// Where requests go.
///
/// This is the one place in which routes are asked: once per request, after the path was normalised and before policy
/// and balancing. `HTTPRoute` and `GRPCRoute` are compiled into the view when a snapshot arrives, and looked up here
/// by port; a port without routes goes to the service itself. To plug routes in:
///
/// 1. keep the compiled routes in ``View`` (immutable, by place of the port);
/// 2. let `route` find the match and answer with a ``Routed``; backends of routes are ports of services like any other,
///    found by ``View/port(service:port:)`` when the view is made;
/// 3. header changes become a number in ``Routed`` of what the view keeps for the route, and are applied where heads are
///    written: `Worker.writeRequest` for requests, `Worker.writeResponse` for responses. The exchange keeps the number.
enum Routing {
    /// The route of a request.
    ///
    /// - Parameters:
    ///   - head: the request's head; its ranges mean parts of `bytes`.
    ///   - fields: its fields. A field that appears several times stands there several times.
    ///   - path: the normal form of path and query, which is also what the endpoint will see; empty for `OPTIONS *`.
    ///   - port: place of the captured connection's port in ``View/ports``.
    static func route(
        _ head: RequestHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, path: Span<UInt8>, at port: Int,
        in view: View
    ) -> Routed {
        Routed(outcome: .forward(port: port))
    }
}

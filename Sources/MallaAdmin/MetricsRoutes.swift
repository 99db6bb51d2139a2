// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import MallaTelemetry
import NIOCore

/// What scrapers and probes ask: `/metrics`, `/healthz/ready`, `/healthz/live`. Nothing here changes anything, and
/// nothing secret is told: the listener may be reached by whoever reaches its address.
enum MetricsRoutes {
    /// The routes, answered by `facts`.
    static func router(_ facts: any NodeFacts) -> Router<BasicRequestContext> {
        let router = Router()
        router.middlewares.add(Refusals())
        router.get("/metrics") { request, _ in
            let format = Exposition.Format(accepting: request.headers[.accept] ?? "")
            let text = Exposition.text(await facts.samples(), format: format)
            return Response(
                status: .ok, headers: [.contentType: format.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }
        router.get("/healthz/live") { _, _ in text("live\n", .ok) }
        router.get("/healthz/ready") { _, _ in
            switch await facts.readiness() {
            case .ready: text("ready\n", .ok)
            case .notReady(let why): text("not ready: \(why)\n", .serviceUnavailable)
            }
        }
        return router
    }

    private static func text(_ text: String, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}

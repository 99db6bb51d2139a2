// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Hummingbird
import MallaAPI
import MallaModel
import NIOCore

/// The calls of the admin API, as `MallaAPI/Requests.swift` lists them.
enum AdminRoutes {
    /// More than any workload needs.
    static let largestRequest = 1 << 20

    /// The routes, answered by `facts`.
    static func router(_ facts: any NodeFacts) -> Router<BasicRequestContext> {
        let router = Router()
        router.middlewares.add(Refusals())
        addViews(router, facts)
        addWorkloads(router, facts)
        addKernel(router, facts)
        IdentityRoutes.add(router, facts)
        router.get("/v1/events") { request, _ in try await events(request, facts) }
        return router
    }

    private static func addViews(_ router: Router<BasicRequestContext>, _ facts: any NodeFacts) {
        router.get("/v1/status") { _, _ in try Answers.json(try await facts.status()) }
        router.get("/v1/services") { _, _ in try Answers.json(try await facts.services()) }
        router.get("/v1/endpoints") { _, _ in try Answers.json(try await facts.endpoints()) }
        router.get("/v1/nodes") { _, _ in try Answers.json(try await facts.nodes()) }
        router.get("/v1/tunnels") { _, _ in try Answers.json(try await facts.tunnels()) }
        router.get("/v1/policies") { _, _ in try Answers.json(try await facts.policies()) }
        router.get("/v1/connections") { _, _ in try Answers.json(try await facts.connections()) }
        router.get("/v1/bypasses") { _, _ in try Answers.json(try await facts.bypasses()) }
        router.get("/v1/explain") { request, _ in
            guard let from = request.uri.queryParameters["from"], let to = request.uri.queryParameters["to"] else {
                throw AdminRefusal(
                    .invalid, "explain needs the parameters `from` and `to`",
                    hint: "from=WORKLOAD and to=SERVICE:PORT or IP:PORT")
            }
            return try Answers.json(try await facts.explain(from: String(from), to: String(to)))
        }
    }

    private static func addWorkloads(_ router: Router<BasicRequestContext>, _ facts: any NodeFacts) {
        router.get("/v1/workloads") { _, _ in try Answers.json(try await facts.workloads()) }
        router.post("/v1/workloads") { request, _ in
            let body = try await request.body.collect(upTo: largestRequest)
            let wanted: WorkloadRequest
            do {
                wanted = try JSONDecoder().decode(WorkloadRequest.self, from: Data(body.readableBytesView))
            } catch let error as DecodingError {
                throw AdminRefusal(.invalid, "the workload is not readable: \(error.summary)")
            }
            return try Answers.json(try await facts.addWorkload(wanted), status: .created)
        }
        router.delete("/v1/workloads/:namespace/:name") { _, context in
            let name = ObjectName(
                try context.parameters.require("name"), namespace: try context.parameters.require("namespace"))
            try await facts.removeWorkload(name)
            return Response(status: .noContent)
        }
    }

    private static func addKernel(_ router: Router<BasicRequestContext>, _ facts: any NodeFacts) {
        router.get("/v1/maps") { _, _ in try Answers.json(try await facts.maps()) }
        router.get("/v1/maps/:name") { _, context in
            try Answers.json(try await facts.mapEntries(try context.parameters.require("name")))
        }
        router.get("/v1/programs") { _, _ in try Answers.json(try await facts.programs()) }
    }

    /// One JSON value a line, for as long as the node has some and the client listens.
    private static func events(_ request: Request, _ facts: any NodeFacts) async throws -> Response {
        let follow = request.uri.queryParameters["follow"] == "true"
        let events = try await facts.events(follow: follow, all: request.uri.queryParameters["all"] == "true")
        let body = ResponseBody { writer in
            // Cancelled when the client goes: a quiet node would otherwise notice only at its next event.
            _ = try? await request.body.consumeWithCancellationOnInboundClose { _ in
                for await event in events {
                    var line = try Answers.encode(event)
                    line.writeInteger(UInt8(ascii: "\n"))
                    try await writer.write(line)
                }
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: "application/x-ndjson"], body: body)
    }
}

extension DecodingError {
    /// Which field is wrong and how, on one line.
    fileprivate var summary: String {
        func path(_ keys: [any CodingKey]) -> String {
            keys.isEmpty ? "the document" : "`\(keys.map(\.stringValue).joined(separator: "."))`"
        }
        return switch self {
        case .keyNotFound(let key, let context): "\(path(context.codingPath + [key])) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\(path(context.codingPath)): \(context.debugDescription)"
        @unknown default: "\(self)"
        }
    }
}

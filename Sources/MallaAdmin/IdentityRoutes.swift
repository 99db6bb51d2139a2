// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Hummingbird
import MallaAPI
import NIOCore

/// The calls about certificates and their authority.
enum IdentityRoutes {
    static func add(_ router: Router<BasicRequestContext>, _ facts: any NodeFacts) {
        router.get("/v1/certificates") { _, _ in try Answers.json(try await facts.certificates()) }
        router.get("/v1/ca") { _, _ in try Answers.json(try await facts.authority()) }
        router.get("/v1/ca/tokens") { _, _ in try Answers.json(try await facts.tokens()) }
        router.post("/v1/ca/tokens") { request, _ in
            let wanted = try await body(request, as: TokenRequest.self)
            return try Answers.json(try await facts.createToken(wanted), status: .created)
        }
        router.delete("/v1/ca/tokens/:id") { _, context in
            try await facts.revokeToken(try context.parameters.require("id"))
            return Response(status: .noContent)
        }
        router.delete("/v1/ca/nodes/:name") { _, context in
            try await facts.expel(try context.parameters.require("name"))
            return Response(status: .noContent)
        }
        router.post("/v1/ca/rotation") { request, _ in
            try Answers.json(try await facts.rotate(try await body(request, as: RotationRequest.self)))
        }
    }

    private static func body<Value: Decodable>(_ request: Request, as type: Value.Type) async throws -> Value {
        let bytes = try await request.body.collect(upTo: 64 << 10)
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes.readableBytesView))
        } catch {
            throw AdminRefusal(.invalid, "the request is not readable: it is to be a \(Value.self) as JSON")
        }
    }
}

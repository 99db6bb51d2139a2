// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Hummingbird
import MallaAPI
import NIOCore

/// Turns what the node says into responses: JSON with sorted keys, so that equal answers are equal bytes.
enum Answers {
    /// A JSON body with this status.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        var buffer = try encode(value)
        buffer.writeInteger(UInt8(ascii: "\n"))
        return Response(
            status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: buffer))
    }

    /// One JSON value, on one line.
    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ByteBuffer(bytes: try encoder.encode(value))
    }

    /// The error as an ``ErrorView`` with its status.
    static func refusal(_ error: any Error) -> Response {
        let (status, view) = describe(error)
        guard let response = try? json(view, status: status) else { return Response(status: status) }
        return response
    }

    private static func describe(_ error: any Error) -> (HTTPResponse.Status, ErrorView) {
        switch error {
        case let refusal as AdminRefusal:
            (refusal.kind.status, refusal.view)
        case let error as HTTPError where error.status == .notFound:
            (
                .notFound,
                ErrorView(
                    error: "the admin API has no such path",
                    hint: "this client and the daemon may be of different versions")
            )
        case let error as any HTTPResponseError:
            (error.status, ErrorView(error: "\(error)"))
        case let error as ErrorView:
            (.badRequest, error)
        default:
            (.internalServerError, ErrorView(error: "\(error)"))
        }
    }
}

extension AdminRefusal.Kind {
    fileprivate var status: HTTPResponse.Status {
        switch self {
        case .invalid: .badRequest
        case .notFound: .notFound
        case .conflict: .conflict
        case .failed: .internalServerError
        case .unavailable: .serviceUnavailable
        }
    }
}

/// Answers every error of the handlers behind it as an ``ErrorView``.
struct Refusals<Context: RequestContext>: RouterMiddleware {
    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return Answers.refusal(error)
        }
    }
}

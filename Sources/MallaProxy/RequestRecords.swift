// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaLink
import MallaModel
import Reactor

// Finished: what is recorded of each request, whatever became of it.

extension Worker {
    /// An exchange is over: counted always; logged unless it is what happens every day.
    mutating func record(_ exchange: UnsafeMutablePointer<Exchange>, _ reason: Reason, rule: UInt32) {
        var key = CounterKey(
            source: exchange.pointee.source, target: exchange.pointee.target, service: exchange.pointee.service,
            reason: 0, kind: .requests)
        let isWhole =
            exchange.pointee.state.contains(.responseEnded) || !exchange.pointee.state.contains(.responseBegun)
        counters.cell(key).answered(
            Self.outcome(exchange.pointee.status, isWhole: isWhole), after: loop.now &- exchange.pointee.began,
            sent: exchange.pointee.sent,
            received: exchange.pointee.received)
        if exchange.pointee.state.contains(.grpc) {
            key.kind = .calls
            counters.cell(key).called(status: exchange.pointee.grpcStatus)
        }
        guard reason != .passed else { return }
        key.kind = .connections
        key.reason = reason.rawValue
        counters.cell(key).cut()
    }

    private static func outcome(_ status: UInt16, isWhole: Bool) -> RequestOutcome {
        guard isWhole, status > 0 else { return .aborted }
        return switch status {
        case ..<300: .success
        case ..<400: .redirection
        case ..<500: .clientError
        default: .serverError
        }
    }

    /// A request that was answered here, or bytes that were no request.
    mutating func recordRefused(_ refusal: Refusal, _ captured: Captured) {
        record(Finished(refusal: refusal, captured: captured))
    }

    /// Takes gRPC's status out of a response's head or trailers at the desk.
    func noteGRPC(_ exchange: UnsafeMutablePointer<Exchange>, _ bytes: Span<UInt8>) {
        guard exchange.pointee.state.contains(.grpc) else { return }
        for index in 0..<desk.pointee.fields.count {
            let field = desk.pointee.fields[index]
            guard field.known == .other, field.name.count == 11, Self.isGRPCStatus(field.name, bytes) else { continue }
            var status: UInt8 = 0
            guard !field.value.isEmpty, field.value.count <= 2 else { return }
            for place in field.value.range {
                let digit = bytes[place] &- 0x30
                guard digit < 10 else { return }
                status = status * 10 + digit
            }
            exchange.pointee.grpcStatus = min(status, 17)
            return
        }
    }

    private static func isGRPCStatus(_ name: ByteRange, _ bytes: Span<UInt8>) -> Bool {
        let wanted: StaticString = "grpc-status"
        for index in 0..<11 where bytes[Int(name.start) + index] | 0x20 != wanted.utf8Start[index] | 0x20 {
            return false
        }
        return true
    }
}

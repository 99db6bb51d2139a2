// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// How many questions had which end, since the start.
public struct DNSCounts: Sendable, Equatable {
    /// Answered from the mesh.
    public var mesh: UInt64 = 0
    /// Answered by the system's resolvers.
    public var forwarded: UInt64 = 0
    /// Not answered by any resolver in time.
    public var failed: UInt64 = 0
    /// No questions at all.
    public var malformed: UInt64 = 0
    /// Turned away because too many were waiting.
    public var overload: UInt64 = 0

    /// Nothing counted yet.
    public init() {}
}

/// Bytes of a question to bytes of its reply: from the mesh, else from the system's resolvers.
final class DNSResponder: Sendable {
    /// Questions that may wait for the system's resolvers at a time. More would let one workload that floods names
    /// take all descriptors.
    static let mostWaiting = 256

    private struct State {
        var names = MeshNames()
        var counts = DNSCounts()
        var waiting = 0
    }

    private let forwarder: Forwarder
    private let state = Mutex(State())

    init(forwarder: Forwarder) { self.forwarder = forwarder }

    var counts: DNSCounts { state.withLock { $0.counts } }

    /// Answers from these names from now on.
    func use(_ names: MeshNames) { state.withLock { $0.names = names } }

    /// The reply; `nil`: none is sent. `isDatagram`: it must fit into what the asker takes.
    func reply(to bytes: [UInt8], isDatagram: Bool) async -> [UInt8]? {
        switch DNSQuery.parse(bytes) {
        case .silence:
            state.withLock { $0.counts.malformed &+= 1 }
            return nil
        case .refusal(let header):
            state.withLock { $0.counts.malformed &+= 1 }
            return header
        case .query(let query):
            let reply = await answer(query, bytes)
            return isDatagram ? DNSReply.fitted(reply, to: query) : reply
        }
    }

    private func answer(_ query: DNSQuery, _ bytes: [UInt8]) async -> [UInt8] {
        let names = state.withLock { $0.names }
        // Another class than the Internet's is nothing that the mesh has.
        switch query.question.recordClass == 1 ? names.find(query.question.name) : .foreign {
        case .service(let addresses):
            state.withLock { $0.counts.mesh &+= 1 }
            return DNSReply.addresses(addresses, for: query)
        case .nothing:
            state.withLock { $0.counts.mesh &+= 1 }
            return DNSReply.empty(query, .noSuchName)
        case .foreign:
            return await forward(query, bytes)
        }
    }

    private func forward(_ query: DNSQuery, _ bytes: [UInt8]) async -> [UInt8] {
        let admitted = state.withLock { state in
            guard state.waiting < Self.mostWaiting else {
                state.counts.overload &+= 1
                return false
            }
            state.waiting += 1
            return true
        }
        guard admitted else { return DNSReply.empty(query, .serverFailure) }
        let reply = await forwarder.ask(query, bytes)
        state.withLock { state in
            state.waiting -= 1
            if reply == nil { state.counts.failed &+= 1 } else { state.counts.forwarded &+= 1 }
        }
        return reply ?? DNSReply.empty(query, .serverFailure)
    }
}

// SPDX-License-Identifier: Apache-2.0
import MallaModel
import NIOCore
import NIOPosix

/// Asks the system's resolvers what the mesh does not know.
///
/// Each attempt has a socket of its own, connected to the server, so that the kernel chooses the port and drops what
/// comes from elsewhere; and a random number. That is what an attacker who cannot listen has to guess.
struct Forwarder: Sendable {
    let resolvers: SystemResolvers
    let group: any EventLoopGroup
    /// For one attempt at one server.
    let timeout: TimeAmount
    /// How often the list of servers is gone through.
    static let rounds = 2

    /// The reply of the first server that gives one, with the number of `query`; `nil` when none does. A reply that
    /// was cut short is asked for again by TCP.
    func ask(_ query: DNSQuery, _ bytes: [UInt8]) async -> [UInt8]? {
        for _ in 0..<Self.rounds {
            for server in resolvers.servers {
                let id = UInt16.random(in: .min ... .max)
                guard let reply = try? await exchange(DNSReply.numbered(bytes, id), id: id, query, server) else {
                    continue
                }
                // Not the server's fault and not an answer: perhaps the next one knows.
                if reply[3] & 0x0f == DNSCode.serverFailure.rawValue { continue }
                guard DNSReply.isTruncated(reply) else { return DNSReply.numbered(reply, query.id) }
                let whole = try? await exchangeByTCP(DNSReply.numbered(bytes, id), id: id, query, server)
                return DNSReply.numbered(whole ?? reply, query.id)
            }
        }
        return nil
    }

    private func exchange(
        _ message: [UInt8], id: UInt16, _ query: DNSQuery, _ server: MallaModel.SocketAddress
    ) async throws -> [UInt8]? {
        let address = try NIOCore.SocketAddress(server)
        let channel = try await DatagramBootstrap(group: group)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65535))
            .connect(to: address) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>.kept(by: channel)
                }
            }
        let deadline = close(channel.channel, after: timeout)
        defer { deadline.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: message)))
            for try await envelope in inbound {
                let reply = Array(envelope.data.readableBytesView)
                if query.isAnswered(by: reply, id: id) { return reply }
            }
            return nil
        }
    }

    private func exchangeByTCP(
        _ message: [UInt8], id: UInt16, _ query: DNSQuery, _ server: MallaModel.SocketAddress
    ) async throws -> [UInt8]? {
        let channel = try await ClientBootstrap(group: group)
            .connectTimeout(timeout)
            .connect(to: NIOCore.SocketAddress(server)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>.kept(by: channel)
                }
            }
        let deadline = close(channel.channel, after: timeout)
        defer { deadline.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(DNSFraming.framed(message))
            var framing = DNSFraming(longest: 65535)
            for try await buffer in inbound {
                framing.append(buffer.readableBytesView)
                while let reply = try framing.next() {
                    if query.isAnswered(by: reply, id: id) { return reply }
                }
            }
            return nil
        }
    }

    private func close(_ channel: any Channel, after timeout: TimeAmount) -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
    }
}

extension NIOCore.SocketAddress {
    /// The same end in NIO's words.
    init(_ end: MallaModel.SocketAddress) throws {
        try self.init(ipAddress: end.address.description, port: Int(end.port))
    }
}
